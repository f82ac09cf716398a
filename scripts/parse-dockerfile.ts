/** Reads the kinds of Dockerfile instructions that ours uses; any other is an error, so that a replay never leaves one out. */

export type Step =
  | { readonly kind: 'workdir'; readonly folder: string }
  | { readonly kind: 'copy'; readonly from: string | undefined; readonly sources: readonly string[]; readonly target: string }
  | { readonly kind: 'run'; readonly command: string }
  | { readonly kind: 'env'; readonly variables: Readonly<Record<string, string>> };

export interface Stage {
  readonly base: string;
  readonly name: string | undefined;
  readonly steps: Step[];
  user: string | undefined;
  entrypoint: string[];
  command: string[];
  ports: number[];
}

export function parseDockerfile(text: string): Stage[] {
  const stages: Stage[] = [];
  for (const line of instructions(text)) {
    const [, instruction = '', rest = ''] = /^([A-Z]+)\s+(.*)$/s.exec(line) ?? [];
    if (instruction === 'FROM') stages.push(stageFrom(rest));
    else add(stages.at(-1), instruction, rest, line);
  }
  return stages;
}

/** Lines without comments, continued ones joined. */
function instructions(text: string): string[] {
  const lines = text.split('\n').filter((line) => !/^\s*(?:#|$)/.test(line));
  return lines
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n');
}

function stageFrom(rest: string): Stage {
  const match = /^(\S+)(?: AS (\S+))?$/.exec(rest);
  if (match?.[1] === undefined) throw new Error(`cannot replay "FROM ${rest}"`);
  return { base: match[1], name: match[2], steps: [], user: undefined, entrypoint: [], command: [], ports: [] };
}

function add(stage: Stage | undefined, instruction: string, rest: string, line: string): void {
  if (stage === undefined) throw new Error(`"${line}" stands before the first FROM`);
  switch (instruction) {
    case 'WORKDIR':
      stage.steps.push({ kind: 'workdir', folder: absolute(rest) });
      break;
    case 'COPY':
      stage.steps.push(copyStep(rest));
      break;
    case 'RUN':
      stage.steps.push({ kind: 'run', command: rest });
      break;
    case 'ENV':
      stage.steps.push({ kind: 'env', variables: Object.fromEntries(rest.split(/\s+/).map(assignment)) });
      break;
    case 'USER':
      stage.user = rest;
      break;
    case 'ENTRYPOINT':
      stage.entrypoint = execForm(rest);
      break;
    case 'CMD':
      stage.command = execForm(rest);
      break;
    case 'EXPOSE':
      stage.ports = rest.split(/\s+/).map(Number);
      break;
    default:
      throw new Error(`cannot replay "${line}": teach scripts/parse-dockerfile.ts this instruction`);
  }
}

function copyStep(rest: string): Step {
  const words = rest.split(/\s+/);
  const option = words[0]?.startsWith('--') ? words.shift() : undefined;
  const from = option === undefined ? undefined : /^--from=(\S+)$/.exec(option)?.[1];
  if (option !== undefined && from === undefined) throw new Error(`cannot replay "COPY ${rest}": only --from is known`);
  const target = words.pop();
  if (target === undefined || words.length === 0) throw new Error(`cannot replay "COPY ${rest}"`);
  return { kind: 'copy', from, sources: words, target };
}

function absolute(folder: string): string {
  if (!folder.startsWith('/')) throw new Error(`cannot replay "WORKDIR ${folder}": it is not absolute`);
  return folder;
}

function assignment(word: string): [string, string] {
  const match = /^(\w+)=([^"'$\\]*)$/.exec(word);
  if (match?.[1] === undefined) throw new Error(`cannot replay "ENV ${word}"`);
  return [match[1], match[2] ?? ''];
}

/** The shell form would hide signals from the program. */
function execForm(rest: string): string[] {
  return JSON.parse(rest) as string[];
}
