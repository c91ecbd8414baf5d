import type { Random } from "../../src/raft/random.ts";
import { type Operation, type Value, withoutAnswer, writtenValue } from "./operation.ts";

/** A history in which one thing is told differently; it may still be linearizable. */
export function perturb(random: Random, history: readonly Operation[]): Operation[] {
  const index = random.between(0, history.length - 1);
  const changed = [...history];
  changed[index] = perturbOne(random, history[index]!, history);
  return changed;
}

function perturbOne(random: Random, it: Operation, history: readonly Operation[]): Operation {
  switch (random.between(0, 5)) {
    case 0:
    case 1:
      return it.status === "ok" ? withOtherOutput(random, it, history) : it;
    case 2:
      return withoutAnswer(it, "fail");
    case 3:
      return withoutAnswer(it, "info");
    case 4:
      return it.rev === undefined
        ? it
        : { ...it, rev: Math.max(0, it.rev + random.between(-2, 2)) };
    default: {
      const call = Math.max(0, it.call + random.between(-6, 6));
      return { ...it, call, return: call + random.between(0, 3) };
    }
  }
}

function withOtherOutput(
  random: Random,
  operation: Operation,
  history: readonly Operation[],
): Operation {
  switch (operation.op) {
    case "put":
      return operation;
    case "delete":
    case "cas":
      return { ...operation, output: operation.output !== true };
    case "get": {
      const written = history.map(writtenValue).filter((value) => value !== null);
      const outputs: readonly (Value | null)[] = [null, "never", ...written, ...written];
      return { ...operation, output: outputs[random.between(0, outputs.length - 1)]! };
    }
  }
}
