import type { Verdict } from "./checker.ts";
import { describeValue } from "./notation.ts";

/** What to print, and the exit code. */
export interface Report {
  readonly text: string;
  readonly exitCode: number;
}

/** A verdict for people, and the exit code of the command that asked for it. */
export function describeVerdict(verdict: Verdict): Report {
  switch (verdict.type) {
    case "linearizable": {
      const { operations, keys, info, explored } = verdict;
      const text = `Linearizable: ${operations} operations on ${keys} keys, ${info} of unknown outcome; ${explored} states.`;
      return { text, exitCode: 0 };
    }
    case "violation":
      return { text: `Not linearizable.\n${verdict.explanation}`, exitCode: 1 };
    case "gaveUp":
      return {
        text: `Unknown: gave up on ${describeValue(verdict.key)}; nothing wrong was found on any other key.`,
        exitCode: 2,
      };
  }
}
