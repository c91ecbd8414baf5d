import { describeInput, describeOutput } from "../../src/raft/describe.ts";
import type { Step } from "../invariants/life.ts";
import type { Agenda } from "./agenda.ts";

/** Takes the story of a run, a line an event, in the notation of the scenario files. */
export class Trace {
  readonly #write: ((line: string) => void) | null;
  #agenda: Agenda | null = null;

  /** @param write takes a line; null when nobody reads, which saves the work of writing. */
  constructor(write: ((line: string) => void) | null = null) {
    this.#write = write;
  }

  /** From now on lines begin with this agenda's time. */
  follow(agenda: Agenda): void {
    this.#agenda = agenda;
  }

  /** Something that is not a step of a core. */
  note(what: () => string): void {
    if (this.#write !== null) this.#write(`${this.#agenda?.nowMs ?? 0} ${what()}`);
  }

  /** A step of a core and all that comes of it. */
  step(nowMs: number, { replica: { id, raft, isReplaced }, input, output, before }: Step): void {
    if (this.#write === null) return;
    const { role, term } = raft;
    this.#write(`${nowMs} ${id}${isReplaced ? " (zombie)" : ""} ${describeInput(input)}`);
    if (role !== before.role || term !== before.term) this.#write(`  becomes ${role} t${term}`);
    for (const line of describeOutput(output)) this.#write(`  ${line}`);
  }
}
