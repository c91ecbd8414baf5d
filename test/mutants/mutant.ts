/** A mistake that could be made in the production code: one replacement in one file. */
export interface Mutant {
  readonly name: string;
  /** What it breaks, in a few words. */
  readonly what: string;
  /** The path from the root, like `src/raft/leader.ts`. */
  readonly file: string;
  /** Stands exactly once in that file. */
  readonly find: string;
  readonly replace: string;
}

/**
 * The source of a mutant's file with the mistake in it.
 *
 * @throws Error when the code has changed so that the mistake has no place any more.
 */
export function mutate({ name, file, find, replace }: Mutant, source: string): string {
  const parts = source.split(find);
  if (parts.length !== 2) {
    throw new Error(`mutant ${name}: ${file} has its place ${parts.length - 1} times, not once`);
  }
  return parts.join(replace);
}
