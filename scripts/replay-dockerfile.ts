/**
 * Builds what the Dockerfile describes, without a container engine: each stage in a folder of its own, which stands for the
 * root of its file system, with this machine's Node 24 and npm in the place of the base image.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:fs';
import { chmod, copyFile, cp, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { projectRoot } from './find-tool.mjs';
import { parseDockerfile, type Stage, type Step } from './parse-dockerfile.ts';

export interface Image {
  /** The folder that stands for "/". */
  readonly root: string;
  readonly stage: Stage;
  /** Where it runs, as a path inside. */
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Builds all stages and gives the last one. */
export async function replayDockerfile(): Promise<Image> {
  const stages = parseDockerfile(await readFile(join(projectRoot, 'Dockerfile'), 'utf8'));
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-image-'));
  // mkdtemp lets only the owner in; the image's user is another.
  await chmod(folder, 0o755);
  const built = new Map<string, Image>();
  let last: Image | undefined;
  for (const stage of stages) {
    last = await build(stage, await baseImage(stage.base, join(folder, String(stages.indexOf(stage)))), built);
    if (stage.name !== undefined) built.set(stage.name, last);
  }
  if (last === undefined) throw new Error('the Dockerfile has no FROM');
  return last;
}

/** Starts the image's entrypoint and command. */
export function startImage(image: Image): ChildProcess {
  return execInImage(image, [...image.stage.entrypoint, ...image.stage.command]);
}

/**
 * Runs a command in the image as its user; who is not root runs it as himself. A path among its arguments is a path inside of the
 * image.
 */
export function execInImage(image: Image, [program = '', ...args]: readonly string[]): ChildProcess {
  const [uid, gid] = (image.stage.user ?? '0:0').split(':').map(Number);
  const identity = process.getuid?.() === 0 ? { uid, gid } : {};
  return spawn(
    inside(image, `/usr/local/bin/${program}`),
    args.map((arg) => (arg.startsWith('/') ? inside(image, arg) : arg)),
    {
      cwd: inside(image, image.workdir),
      env: { PATH: inside(image, '/usr/local/bin'), ...image.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...identity,
    },
  );
}

/** Removes the image and those it was built from. */
export async function removeImage(image: Image): Promise<void> {
  await rm(dirname(image.root), { recursive: true });
}

async function build(stage: Stage, root: string, built: ReadonlyMap<string, Image>): Promise<Image> {
  let image: Image = { root, stage, workdir: '/', env: {} };
  for (const step of stage.steps) image = await apply(step, image, built);
  return image;
}

/** All that we take from `node:24`: the program. */
async function baseImage(base: string, root: string): Promise<string> {
  if (!base.startsWith(`node:${process.versions.node}-`)) {
    throw new Error(`the Dockerfile builds on "${base}", this machine has Node ${process.versions.node}: let both be the same`);
  }
  await mkdir(join(root, 'usr/local/bin'), { recursive: true });
  await copyFile(process.execPath, join(root, 'usr/local/bin/node'), constants.COPYFILE_FICLONE);
  return root;
}

async function apply(step: Step, image: Image, built: ReadonlyMap<string, Image>): Promise<Image> {
  switch (step.kind) {
    case 'workdir':
      await mkdir(inside(image, step.folder), { recursive: true });
      return { ...image, workdir: step.folder };
    case 'env':
      return { ...image, env: { ...image.env, ...step.variables } };
    case 'copy':
      await copy(step, image, built);
      return image;
    case 'run':
      run(step.command, image);
      return image;
  }
}

async function copy(step: Step & { kind: 'copy' }, image: Image, built: ReadonlyMap<string, Image>): Promise<void> {
  const origin = step.from === undefined ? undefined : built.get(step.from);
  if (step.from !== undefined && origin === undefined) throw new Error(`COPY --from=${step.from}: there is no such stage before it`);
  const isAllowed = origin === undefined ? await contextFilter() : () => true;
  const target = inside(image, resolve(image.workdir, step.target));
  const intoFolder = step.target.endsWith('/');
  for (const source of step.sources) {
    if (!isAllowed(source)) throw new Error(`COPY ${source}: .dockerignore leaves it out`);
    const path = origin === undefined ? join(projectRoot, source) : inside(origin, source);
    const isFile = (await stat(path)).isFile();
    await cp(path, isFile && intoFolder ? join(target, basename(path)) : target, { recursive: true });
  }
}

/** Ours names what may pass: "*", then one "!NAME" a line. */
async function contextFilter(): Promise<(source: string) => boolean> {
  const [all, ...allowed] = (await readFile(join(projectRoot, '.dockerignore'), 'utf8')).trimEnd().split('\n');
  if (all !== '*' || allowed.some((line) => !/^![\w.-]+$/.test(line)))
    throw new Error('cannot replay .dockerignore: write "*", then "!NAME" lines');
  return (source) => allowed.includes(`!${source}`);
}

function run(command: string, image: Image): void {
  if (/(?:^|\s)\//.test(command)) throw new Error(`cannot replay "RUN ${command}": it names an absolute path`);
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
    cwd: inside(image, image.workdir),
    env: { ...process.env, ...image.env, PATH: `${inside(image, '/usr/local/bin')}:${process.env['PATH']}` },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`"RUN ${command}" failed with ${status}:\n${stdout}${stderr}`);
}

/** Where a path of the image is on this machine. */
export function inside(image: Pick<Image, 'root'>, path: string): string {
  return join(image.root, path);
}
