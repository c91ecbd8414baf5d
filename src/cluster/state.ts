import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "./runtime-process.ts";

/** Where a cluster's storage lives. */
export interface State {
  readonly folder: string;
  /** Notes which process serves from it, so that a second start does not. */
  use(runtime: number | null): Promise<void>;
  /** Gives it up; removes it if it was temporary. */
  close(): Promise<void>;
}

/** What is kept beside the storage, in `cluster.json`. */
interface Note {
  /** Groups keep the members they were founded with, so a cluster's size stays what it was. */
  readonly replicas: number;
  /** The process that uses the storage, and its workerd; null when none does. */
  readonly process: number | null;
  readonly runtime: number | null;
}

/** How long a workerd whose parent has just died may take to end. */
const endingMs = 5000;

/**
 * Opens a folder for a cluster of so many replicas; a temporary one without a path.
 *
 * @param fresh forget the cluster that was kept there. Only what this project wrote is removed.
 * @throws Error when the folder is in use, or holds a cluster of another size.
 */
export async function openState(
  path: string | undefined,
  replicas: number,
  fresh: boolean,
): Promise<State> {
  if (path === undefined) {
    const folder = await mkdtemp(join(tmpdir(), "quorumkv-"));
    const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
    return { folder, use: async () => {}, close };
  }
  const folder = join(resolve(path), "storage");
  const file = join(resolve(path), "cluster.json");
  const note = await readNote(file);
  if (note !== null) await mustBeFree(path, file, note);
  if (fresh) await rm(folder, { recursive: true, force: true });
  else if (note !== null && note.replicas !== replicas) {
    throw new Error(
      `${path} holds a cluster of ${note.replicas}, not ${replicas}: ` +
        `start it with --replicas ${note.replicas}, or anew with --fresh`,
    );
  }
  await mkdir(folder, { recursive: true });
  const write = (used: Omit<Note, "replicas">): Promise<void> =>
    writeFile(file, `${JSON.stringify({ replicas, ...used })}\n`);
  await write({ process: process.pid, runtime: null });
  return {
    folder,
    use: (runtime) => write({ process: process.pid, runtime }),
    close: () => write({ process: null, runtime: null }),
  };
}

/** Two workerds on the same files would each believe to be the only one. */
async function mustBeFree(path: string, file: string, note: Note): Promise<void> {
  const user = note.process;
  if (user !== null && user !== process.pid && isAlive(user)) {
    throw new Error(
      `${path} is in use by process ${user}. Stop that, or choose another --state; ` +
        `if it is no cluster of yours, delete ${file}`,
    );
  }
  const deadlineMs = Date.now() + endingMs;
  while (note.runtime !== null && isAlive(note.runtime)) {
    if (Date.now() > deadlineMs) {
      throw new Error(
        `${path} is still in use by workerd, process ${note.runtime}: end that first`,
      );
    }
    await sleep(50);
  }
}

async function readNote(file: string): Promise<Note | null> {
  const text = await readFile(file, "utf8").catch(() => null);
  return text === null ? null : (JSON.parse(text) as Note);
}
