import type { Member } from "../../src/protocol/client.ts";
import { type PeerVersion, newestPeerVersion } from "../../src/protocol/peer.ts";
import type { Message } from "../../src/raft/messages.ts";
import type { Random } from "../../src/raft/random.ts";
import { readIn, sayIn } from "../../src/replica/peer-version.ts";

/**
 * Which code replicas run: in some worlds one of them is of peer version 1 until it is upgraded. Its core
 * is the same; but what it says and hears is what that version has words for.
 */
export class Builds {
  #old: string | null;

  constructor(random: Random, ids: readonly string[]) {
    const isMixed = ids.length > 1 && random.between(0, 9) === 0;
    this.#old = isMixed ? ids[random.between(0, ids.length - 1)]! : null;
  }

  /** All replicas run the newest code from now on. */
  upgrade(): void {
    this.#old = null;
  }

  /** In which version two replicas speak with each other. */
  versionBetween(one: string, other: string): PeerVersion {
    return this.#old === one || this.#old === other ? 1 : newestPeerVersion;
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
