/** The part of the package oidc-provider that the demo uses; it ships no types of its own. */

declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export interface Client {
    readonly clientId: string;
    readonly scope?: string;
    readonly clientAuthMethod: import('./client.ts').DemoCredentials['clientAuthentication'];
    grantTypeAllowed(grant: string): boolean;
  }

  type FormField = string | string[];

  interface Form {
    readonly grant_type?: FormField;
    readonly client_id?: FormField;
    readonly client_secret?: FormField;
    readonly client_assertion?: FormField;
    readonly scope?: FormField;
    readonly resource?: FormField;
    readonly username?: FormField;
    readonly password?: FormField;
  }

  export interface Context {
    readonly method: string;
    readonly path: string;
    readonly status: number;
    body: unknown;
    readonly req: IncomingMessage;
    get(field: string): string;
    /** Set once a route of the provider has matched. */
    readonly oidc?: {
      readonly client?: Client;
      /** The form as it was sent. */
      readonly body?: Form;
      /** The form's fields that the grant knows. */
      readonly params?: Form;
    };
  }

  interface Token {
    readonly expiration: number;
    readonly tokenType: string;
    save(): Promise<string>;
  }

  export class Provider {
    constructor(issuer: string, configuration: object);
    readonly issuer: string;
    readonly Client: { find(clientId: string): Promise<Client | undefined> };
    readonly AccessToken: new (input: {
      accountId: string;
      client: Client;
      gty: string;
      scope?: string;
      resourceServer?: object;
    }) => Token;
    readonly RefreshToken: new (input: {
      accountId: string;
      client: Client;
      grantId: string;
      gty: string;
      resource?: string;
      scope?: string;
    }) => Token;
    readonly Grant: new (input: {
      accountId: string;
      clientId: string;
    }) => { addOIDCScope(scope: string): void; addResourceScope(resource: string, scope: string): void; save(): Promise<string> };
    readonly ResourceServer: new (
      identifier: string,
      info: object,
    ) => object;
    on(event: string, listener: () => void): this;
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): this;
    registerGrantType(name: string, handler: (context: Context) => Promise<void>, parameters: readonly string[], repeatable?: string): void;
    callback(): (request: IncomingMessage, response: ServerResponse) => void;
  }

  type OAuthError = new (description?: string) => Error;
  export const errors: { readonly InvalidGrant: OAuthError; readonly InvalidScope: OAuthError; readonly InvalidTarget: OAuthError };
}
