import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Those that have a guard: a process may run several clusters. */
const guarded = new Set<number>();

/**
 * The workerd process that miniflare started last from this one, or null when it cannot be told
 * (Windows). Miniflare keeps it to itself, so it is looked for among the children.
 */
export function findRuntime(): number | null {
  const pid = childrenOf(process.pid).find((child) => !guarded.has(child) && isRuntime(child));
  return pid ?? null;
}

/** Whether a process is running. One that has ended but that nobody has collected yet is not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const state = read(`/proc/${pid}/stat`)?.split(") ").at(-1)?.[0];
  return state !== "Z";
}

/**
 * Sees to it that workerd does not outlive this process, however that ends: left alone it would go
 * on serving, electing leaders and writing to the same files as the next start. The guard is a
 * process of its own that waits for its input to close.
 */
export function guardRuntime(pid: number): void {
  guarded.add(pid);
  const guard = spawn(process.execPath, [join(import.meta.dirname, "guard.ts"), String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  // A child's pipe is a socket, which keeps this process alive unless told otherwise.
  (guard.stdin as unknown as { unref(): void }).unref();
}

function childrenOf(pid: number): number[] {
  const list = read(`/proc/${pid}/task/${pid}/children`) ?? run("pgrep", ["-P", String(pid)]) ?? "";
  return list.split(/\s+/).filter(Boolean).map(Number);
}

function isRuntime(pid: number): boolean {
  const command =
    read(`/proc/${pid}/cmdline`) ?? run("ps", ["-o", "command=", "-p", String(pid)]) ?? "";
  return command.split(/[\0 ]/)[0]!.endsWith("workerd");
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function run(command: string, args: readonly string[]): string | null {
  try {
    return execFileSync(command, args, { encoding: "utf8" });
  } catch {
    return null;
  }
}
