import type { Member } from "../../src/protocol/client.ts";
import { type PeerVersion, newestPeerVersion } from "../../src/protocol/peer.ts";
import type { Message } from "../../src/raft/messages.ts";
import type { Random } from "../../src/raft/random.ts";
import { readIn, sayIn } from "../../src/replica/peer-version.ts";

/**
 * Which code replicas run: in some worlds one of them is of an older peer version until it is upgraded.
 * Its core is the same; but what it says and hears is what that version has words for.
 */
export class Builds {
  #old: { readonly id: string; readonly version: PeerVersion } | null;

  constructor(random: Random, ids: readonly string[]) {
    const isMixed = ids.length > 1 && random.between(0, 9) === 0;
    this.#old = isMixed
      ? {
          id: ids[random.between(0, ids.length - 1)]!,
          version: random.between(0, 1) === 0 ? 1 : 2,
        }
      : null;
  }

  /** Whether a replica runs older code than others. */
  get isMixed(): boolean {
    return this.#old !== null;
  }

  /** Whether a replica runs older code. */
  isOld(id: string): boolean {
    return this.#old?.id === id;
  }

  /** All replicas run the newest code from now on. */
  upgrade(): void {
    this.#old = null;
  }

  /** In which version two replicas speak with each other. */
  versionBetween(one: string, other: string): PeerVersion {
    const isOld = this.#old?.id === one || this.#old?.id === other;
    return isOld ? this.#old!.version : newestPeerVersion;
  }
}

/** What arrives of messages in a version: each with what was sent; those that it cannot say are lost. */
export function passed(
  version: PeerVersion,
  messages: readonly Message[],
  members: readonly Member[],
): { readonly sent: Message; readonly said: Message }[] {
  return messages.flatMap((sent) => {
    const said = sayIn(version, sent, members);
    return said === null ? [] : [{ sent, said: readIn(version, said, members) }];
  });
}
