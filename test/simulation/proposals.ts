import { type Command, isPlain } from "../../src/kv/command.ts";
import { fromBytes } from "../../src/protocol/codec.ts";
import { membersOf } from "../../src/raft/membership.ts";
import { check } from "../invariants/check.ts";
import type { Step } from "../invariants/life.ts";
import type { World } from "./world.ts";

/** What leaders put into the log: nothing that a member cannot read, and no time that has not come. */
export class Proposals {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  stepped({ replica, input, output }: Step): void {
    if (input.type !== "propose") return;
    for (const { type, data } of output.persist?.entries ?? []) {
      if (type !== "command") continue;
      const commands = fromBytes<Command[]>(data);
      this.#canBeRead(replica, commands);
      this.#isOfNow(replica.id, commands);
    }
  }

  #canBeRead({ id, raft }: Step["replica"], commands: readonly Command[]): void {
    const members = membersOf(raft.log.configuration);
    const old = members.find((member) => this.#world.builds.isOld(member.id));
    check(old === undefined || commands.every(isPlain), "mixed versions", () => {
      return `${id} proposes what ${old!.id} cannot read`;
    });
  }

  #isOfNow(id: string, commands: readonly Command[]): void {
    if (!this.#world.clocksAreRight) return;
    const { nowMs } = this.#world.agenda;
    for (const command of commands) {
      const isEarly = command.type === "tick" && command.nowMs > nowMs;
      check(!isEarly, "expiry", () => `${id} says at ${nowMs} that it is later`);
    }
  }
}
