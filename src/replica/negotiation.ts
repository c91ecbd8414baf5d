import { type PeerVersion, newestPeerVersion, peerVersions } from "../protocol/peer.ts";
import type { NodeId } from "../raft/types.ts";

/** A peer that runs older code is tried with the newest version again after so long. */
const againMs = 10_000;

/** And after so long when something waits for that. */
const soonMs = 500;

interface Older {
  readonly version: PeerVersion;
  readonly refusedAtMs: number;
  againAtMs: number;
}

/** Which version to speak with each peer: the newest that it knows, as far as it has told. */
export class Negotiation {
  readonly #nowMs: () => number;
  /** Those that have refused the newest. */
  readonly #older = new Map<NodeId, Older>();
  /** Of whom there is nothing new to complain. */
  readonly #complained = new Set<NodeId>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** In which version to call a peer. */
  versionFor(peer: NodeId): PeerVersion {
    const older = this.#older.get(peer);
    if (older === undefined) return newestPeerVersion;
    if (this.#nowMs() < older.againAtMs) return older.version;
    // One call finds out whether it is upgraded by now; the others need not be refused along with it.
    older.againAtMs = this.#nowMs() + againMs;
    return newestPeerVersion;
  }

  /**
   * A peer has refused a version and knows these. Returns the newest that both know; null if there is
   * none, or what it says makes no sense.
   */
  refused(peer: NodeId, asked: PeerVersion, known: readonly number[]): PeerVersion | null {
    const version = peerVersions.findLast((each) => known.includes(each));
    if (version === undefined || version === asked) return null;
    const refusedAtMs = this.#nowMs();
    this.#older.set(peer, { version, refusedAtMs, againAtMs: refusedAtMs + againMs });
    return version;
  }

  /**
   * A peer has spoken in this version. An older one says nothing: it may be what that peer believes of
   * this one.
   */
  heard(peer: NodeId, version: PeerVersion): void {
    if (version !== newestPeerVersion) return;
    this.#older.delete(peer);
    this.#complained.delete(peer);
  }

  /**
   * Whether a peer has refused the newest version, and not spoken it since, so that who asks has to wait. It is tried
   * again soon: one that leads anew may know only how the peer was before it was upgraded.
   */
  keepsWaiting(peer: NodeId): boolean {
    const older = this.#older.get(peer);
    if (older === undefined) return false;
    older.againAtMs = Math.min(older.againAtMs, older.refusedAtMs + soonMs);
    return true;
  }

  /** Those that have lately shown that they know no version from this one on. One that is gone has no say. */
  olderThan(version: PeerVersion): NodeId[] {
    const counts = ({ refusedAtMs, version: known }: Older): boolean =>
      known < version && this.#nowMs() - refusedAtMs <= 2 * againMs;
    return [...this.#older].filter(([, older]) => counts(older)).map(([peer]) => peer);
  }

  /** Whether there is something new to complain of a peer: once until it is upgraded. */
  mayComplain(peer: NodeId): boolean {
    if (this.#complained.has(peer)) return false;
    this.#complained.add(peer);
    return true;
  }
}
