/** As much of a browser as the status page needs: its document as a tree, its script run on it, time and answers in the test's hand. */

import { createContext, Script } from 'node:vm';

export class SmallElement {
  readonly localName: string;
  readonly attributes = new Map<string, string>();
  readonly dataset: Record<string, string> = {};
  readonly style: Record<string, string> = {};
  readonly classes = new Set<string>();
  readonly #listeners: (() => unknown)[] = [];
  #nodes: (SmallElement | string)[] = [];
  parent: SmallElement | undefined;
  hidden = false;

  constructor(localName: string) {
    this.localName = localName;
  }

  readonly classList = {
    add: (name: string) => void this.classes.add(name),
    contains: (name: string) => this.classes.has(name),
    toggle: (name: string, on: boolean) => void (on ? this.classes.add(name) : this.classes.delete(name)),
  };

  get children(): SmallElement[] {
    return this.#nodes.filter((node) => typeof node !== 'string');
  }

  get lastElementChild(): SmallElement | undefined {
    return this.children.at(-1);
  }

  get textContent(): string {
    return this.#nodes.map((node) => (typeof node === 'string' ? node : node.textContent)).join('');
  }

  set textContent(text: string) {
    this.#nodes = [text];
  }

  append(node: SmallElement | string): void {
    if (typeof node !== 'string') node.parent = this;
    this.#nodes.push(node);
  }

  appendChild(element: SmallElement): SmallElement {
    this.append(element);
    return element;
  }

  replaceChildren(): void {
    this.#nodes = [];
  }

  remove(): void {
    const siblings = this.parent as SmallElement;
    siblings.#nodes = siblings.#nodes.filter((node) => node !== this);
  }

  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }

  closest(tag: string): SmallElement | undefined {
    return this.localName === tag ? this : this.parent?.closest(tag);
  }

  all(): SmallElement[] {
    return this.children.flatMap((child) => [child, ...child.all()]);
  }

  /** Of tags and of one class each, one inside the other. */
  querySelectorAll(selector: string): SmallElement[] {
    const [first = '', ...rest] = selector.split(' ');
    const found = this.all().filter((each) => (first.startsWith('.') ? each.classes.has(first.slice(1)) : each.localName === first));
    return rest.length === 0 ? found : found.flatMap((each) => each.querySelectorAll(rest.join(' ')));
  }

  querySelector(selector: string): SmallElement | null {
    return this.querySelectorAll(selector)[0] ?? null;
  }

  addEventListener(_click: string, listener: () => unknown): void {
    this.#listeners.push(listener);
  }

  async click(): Promise<void> {
    for (const listener of this.#listeners) await listener();
  }
}

/** A tree of well-formed markup without entities. */
function parseMarkup(html: string): SmallElement {
  const root = new SmallElement('#document');
  let open = root;
  for (const [, end, tag, attributes = '', text] of html.matchAll(/<!doctype html>|<(\/?)([a-z0-9]+)((?: [^<>]*)?)>|([^<]+)/g)) {
    if (text !== undefined && text.trim() !== '') open.append(text);
    else if (end === '/') open = open.parent as SmallElement;
    else if (tag !== undefined) {
      const element = open.appendChild(new SmallElement(tag));
      for (const [, name = '', value = ''] of attributes.matchAll(/([a-z-]+)(?:="([^"]*)")?/g)) {
        element.setAttribute(name, value);
        if (name === 'class') for (const each of value.split(' ')) element.classes.add(each);
        if (name === 'hidden') element.hidden = true;
      }
      if (!['meta', 'link', 'br'].includes(tag)) open = element;
    }
  }
  return root;
}

export interface SmallPage {
  byId(id: string): SmallElement;
  /** Runs what waits for its time, and waits for what it does; how many of them there were. */
  tick(): Promise<number>;
  /** The tab is hidden, or shown again. */
  setHidden(hidden: boolean): Promise<void>;
  /** What the page was asked to have confirmed. */
  readonly questions: string[];
}

export interface SmallPageOptions {
  readonly html: string;
  readonly script: string;
  readonly fetch: (path: string, options?: RequestInit) => Promise<unknown>;
  readonly confirms?: boolean;
}

/** Resolves once the page has shown its first answer. */
export async function openSmallPage({ html, script, fetch, confirms = true }: SmallPageOptions): Promise<SmallPage> {
  const root = parseMarkup(html);
  const ids = new Map(root.all().map((element) => [element.attributes.get('id'), element]));
  const timers = new Map<number, () => unknown>();
  const asked: Promise<unknown>[] = [];
  const questions: string[] = [];
  let onVisibility = (): unknown => undefined;
  let timerIds = 0;
  const document = {
    hidden: false,
    body: root.querySelector('body'),
    getElementById: (id: string) => ids.get(id),
    createElement: (tag: string) => new SmallElement(tag),
    addEventListener: (_event: string, listener: () => unknown) => {
      onVisibility = listener;
    },
  };
  const settled = async () => {
    while (asked.length > 0) await asked.shift()?.catch(() => undefined);
    // What the page does with an answer follows a few promises later.
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    if (asked.length > 0) await settled();
  };
  const context = createContext({
    document,
    AbortSignal,
    fetch: (path: string, options?: RequestInit) => {
      const answer = fetch(path, options);
      asked.push(answer);
      return answer;
    },
    setTimeout: (action: () => unknown) => {
      timerIds += 1;
      timers.set(timerIds, action);
      return timerIds;
    },
    clearTimeout: (id: number) => void timers.delete(id),
    confirm: (question: string) => {
      questions.push(question);
      return confirms;
    },
  });
  new Script(script).runInContext(context);
  await settled();
  return {
    questions,
    byId: (id) => ids.get(id) as SmallElement,
    async tick() {
      const due = [...timers.values()];
      timers.clear();
      for (const action of due) action();
      await settled();
      return due.length;
    },
    async setHidden(hidden) {
      document.hidden = hidden;
      onVisibility();
      await settled();
    },
  };
}
