/**
 * What a long run must have come across, or it has shown less than it seems to. Each is counted as
 * often as it happens.
 */
const names = [
  "leader elected",
  "leader elected with writes open",
  "leader restarted and elected again",
  "follower told to stand",
  "leadership handed over",
  "change of members begun",
  "change of members in doubt",
  "change ended by another leader",
  "joint configuration committed",
  "learner promoted",
  "leader that is no voter",
  "configuration cut off",
  "configuration by snapshot",
  "replica has left",
  "told to have left",
  "learner asked for its vote",
  "all founders replaced",
  "leader steps down without a quorum",
  "pre-vote refused",
  "vote refused",
  "log conflict",
  "log cut",
  "log compacted",
  "log kept for a follower",
  "chunk stored",
  "snapshot installed",
  "snapshot of many chunks",
  "snapshot in place of an older state",
  "snapshot begun anew",
  "write under another leader's fate",
  "proposal dropped",
  "request repeated and recognised",
  "request that came too late",
  "condition that does not hold",
  "compare-and-swap in vain",
  "transaction that takes its other branch",
  "operation refused",
  "transaction given up half way",
  "repeated transaction without a value",
  "name stands for an outcome",
  "name stands for something else",
  "name in flight",
  "outcome of a name by snapshot",
  "new request to older code",
  "key expired",
  "read waits for what is due",
  "key expired under another leader",
  "key expired while the group slept",
  "key expired with its leader lost asleep",
  "lease ended with its keys",
  "lease ended without a key",
  "lease kept alive",
  "lease kept alive too late",
  "lease revoked with its keys",
  "lock taken",
  "lock given up",
  "lock held by another",
  "list with folded keys",
  "list that goes on",
  "read before the first own commit",
  "read answered",
  "read at a level by a follower",
  "read shows what is no more so",
  "follower redirects",
  "write answered by a second attempt",
  "edge gives up in doubt",
  "edge refuses for sure",
  "election begun by a poke",
  "zombie still answers",
  "zombie still calls",
  "zombie keeps an old leadership",
  "zombie takes the end of an event",
  "read begun by a zombie leader",
  "crash loses a write",
  "crash of all",
  "disk failure",
  "eviction",
  "pause",
  "one-way cut",
  "quorum cut off",
  "clog",
  "alarm lost",
  "alarm very late",
  "alarm twice",
  "clock set back",
  "message replayed late",
  "state corrupted",
  "leader's state corrupted",
  "follower finds that it has diverged",
  "leader finds that it has diverged",
  "restart of a diverged replica",
  "wrong state spreads",
  "state repaired, log kept",
  "state repaired by one of before",
  "message in peer version 1",
  "message in peer version 2",
  "message that peer version 1 cannot say",
  "edge crash",
  "reply to client lost",
  "faulty minority in the end",
  "lull",
  "follower asleep",
  "group asleep",
  "group woken by a request",
  "follower woken by a request",
  "leader woken by a message",
  "follower woken",
  "late heartbeat wakes nobody",
  "leader lost while it slept",
  "leader lost asleep is replaced",
  "leader lost asleep leads again",
  "night without a sound",
  "morning with a lost leader",
  "morning with a leader cut off",
] as const;

export type Sometimes = (typeof names)[number];

/** How often each of them happened. */
export class Sightings {
  readonly #counts = new Map<Sometimes, number>(names.map((name) => [name, 0]));

  saw(name: Sometimes, times = 1): void {
    this.#counts.set(name, this.#counts.get(name)! + times);
  }

  add(counts: Readonly<Record<string, number>>): void {
    for (const name of names) this.saw(name, counts[name] ?? 0);
  }

  get counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }

  get never(): Sometimes[] {
    return names.filter((name) => this.#counts.get(name) === 0);
  }
}
