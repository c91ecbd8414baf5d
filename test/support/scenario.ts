import type { RaftConfig } from "../../src/raft/config.ts";
import {
  describeConfiguration,
  describeInput,
  describeMessage,
  describeOutput,
  describeRaft,
} from "../../src/raft/describe.ts";
import type { Message } from "../../src/raft/messages.ts";
import { type NodeId, asIndex } from "../../src/raft/types.ts";
import { Cluster } from "./cluster.ts";
import { message } from "./notation.ts";
import type { Start } from "./start.ts";
import type { StepRecord, TestReplica } from "./test-replica.ts";

/**
 * Plays a story and writes it down again: comments and commands as they were, and after `----` what
 * came of them. Paragraphs are separated by empty lines; the commands are those of
 * Scenario, below. An unknown command is an error.
 */
export function play(text: string): string {
  const scenario = new Scenario();
  const paragraphs = text.split(/\n\s*\n/).map((paragraph) => {
    const lines = paragraph.split("\n").filter((line) => line.trim() !== "");
    const end = lines.indexOf("----");
    const script = end === -1 ? lines : lines.slice(0, end);
    const commands = script.filter((line) => !line.startsWith("#"));
    if (commands.length === 0) return script.join("\n");
    const output = commands.flatMap((command) => scenario.run(command));
    return [...script, "----", ...(output.length === 0 ? ["nothing"] : output)].join("\n");
  });
  if (paragraphs.every((paragraph) => !paragraph.includes("----"))) throw new Error("no commands");
  return `${paragraphs.filter((paragraph) => paragraph !== "").join("\n\n")}\n`;
}

type Command = (words: readonly string[]) => void;

/**
 * One cluster and what can be done to it. A step shows as a line with its input and, indented, its
 * effects; an input that the host gives by itself (`persisted`, `applied`) shows only if something
 * comes of it.
 */
class Scenario {
  #cluster = new Cluster([]);
  #lines: string[] = [];

  readonly #commands: Readonly<Record<string, Command>> = {
    // cluster n1 n2 n3 heartbeatMs=10: boots replicas with empty disks.
    cluster: (words) => {
      const ids = words.filter((word) => !word.includes("="));
      this.#cluster = new Cluster(ids, settings(words), (step) => this.#show(step));
    },
    // stored n1 term 6 vote n2 base 3/10 applied 10 log 1 1 4: boots a replica from that instead.
    stored: ([id = "", ...words]) => {
      this.#cluster.start(id, start(words));
    },
    campaign: ([id]) => void this.#replica(id).campaign(),
    // elect n1: a whole election and a heartbeat to tell of it, of which only the end is shown.
    elect: ([id]) => {
      this.#cluster.elect(id ?? "");
      this.#cluster.advance(this.#replica(id).config.heartbeatMs, true);
      this.#lines = [`${id} leads term ${this.#replica(id).raft.term}, and all know`];
    },
    time: ([id]) => void this.#replica(id).time(),
    // change 1 #5 add; change 1 #5 add 2: in the place of 2; change 1 #5 remove 2.
    change: ([id, request, ...words]) => {
      this.#replica(id).change(number(request), words.join(" "));
    },
    // join 4: the object of a new member comes into being.
    join: ([id = ""]) => void this.#cluster.start(id, {}),
    transfer: ([id, to = ""]) => void this.#replica(id).transfer(to),
    poke: ([id]) => void this.#replica(id).poke(),
    // unreachable n1 n2: something to n2 was lost; unreachable n1 n2 chunk: it had a chunk of a snapshot.
    unreachable: ([id, node = "", what]) => {
      this.#replica(id).unreachable(node, what === "chunk");
    },
    read: ([id, ...ids]) => {
      for (const each of ids) this.#replica(id).read(number(each));
    },
    // propose n1 #1 #2 size 100: one entry each.
    propose: ([id, ...words]) => {
      const at = words.indexOf("size");
      const ids = words.filter((word) => word.startsWith("#")).map(number);
      this.#replica(id).propose(ids, at === -1 ? undefined : number(words[at + 1]));
    },
    // advance 50: time passes, alarms fire when due. wait 50: time passes, alarms are late.
    advance: ([ms]) => this.#cluster.advance(number(ms)),
    wait: ([ms]) => {
      this.#cluster.nowMs += number(ms);
    },
    // deliver n1->n2, deliver ->n2, deliver n1->, deliver all; then first, last or #2 for one of
    // them. Answers stay under way.
    deliver: (words) => void this.#cluster.deliver(this.#select(words)),
    // double ->n2: delivers, and keeps a copy under way.
    double: (words) => {
      for (const each of this.#picked(words)) this.#cluster.hand(each);
    },
    drop: (words) => {
      for (const each of this.#cluster.network.take(this.#select(words))) {
        this.#lines.push(`lost ${describeMessage(each)}`);
      }
    },
    network: () => {
      this.#lines.push(...this.#cluster.network.inFlight.map(describeMessage));
    },
    // receive n1->n2 requestVoteRequest t2 last 1/3: a message that nobody here sent, or one that
    // comes late.
    receive: (words) => this.#cluster.hand(message(words.join(" "))),
    // stabilize, or stabilize n1 n2: delivers among these and lets disks and machines finish, until
    // nothing is left to do.
    stabilize: (ids) => this.#cluster.stabilize(ids.length === 0 ? undefined : ids),
    // partition n1 / n2 n3: nothing sent from now on passes between the groups.
    partition: (words) => {
      const groups = words.join(" ").split("/");
      this.#cluster.network.partition(groups.map((group) => group.trim().split(" ")));
    },
    heal: () => this.#cluster.network.partition([]),
    // disk n1 slow: nothing becomes durable until sync n1, or sync n1 #2 for what was written up to
    // that batch.
    disk: ([id, speed]) => {
      this.#replica(id).fastDisk = isFast(speed);
    },
    sync: ([id, batch]) => {
      const replica = this.#replica(id);
      const held = replica.held.length;
      replica.makeDurable(batch === undefined ? undefined : number(batch));
      const opened = held - replica.held.length;
      if (opened > 0) this.#lines.push(`${id} lets go of ${opened} held`);
      replica.reportDurable();
    },
    // machine n1 slow: nothing is applied until applied n1, or applied n1 5 for entries up to that
    // one.
    machine: ([id, speed]) => {
      this.#replica(id).fastMachine = isFast(speed);
    },
    applied: ([id, index]) => {
      this.#replica(id).finishApplying(index === undefined ? undefined : asIndex(number(index)));
    },
    crash: ([id]) => this.#replica(id).crash(),
    restart: ([id]) => this.#replica(id).boot(),
    // digests 2: states are compared after each so many entries. corrupt n3 bad: n3's state is another
    // than that which the log leads to, and has that hash.
    digests: ([every]) => {
      for (const replica of this.#cluster.replicas.values()) replica.digestEvery = number(every);
    },
    corrupt: ([id, hash = "bad"]) => {
      this.#replica(id).stateHash = hash;
    },
    // compact n1 5: the log may forget entries up to that one; compact n1 5 forced: it must.
    compact: ([id, index, forced]) => {
      const to = asIndex(number(index));
      this.#replica(id).compact(to, forced === "forced" ? to : undefined);
    },
    // members: by the newest configuration in each one's log.
    members: (ids) =>
      this.#report(ids, ({ id, raft: { log, hasLeft } }) => {
        const at = log.configurationIndex > log.commitIndex ? "not committed" : "committed";
        const left = hasLeft ? ", has left" : "";
        return `${id}: ${describeConfiguration(log.configuration)} from ${log.configurationIndex}, ${at}${left}`;
      }),
    status: (ids) => this.#report(ids, ({ raft }) => describeRaft(raft)),
    // logs: the terms of each log's entries, as the paper draws them.
    logs: (ids) =>
      this.#report(ids, ({ id, raft, storage }) => {
        const terms = storage.written.log.entries.map(({ term }) => term).join(" ");
        return `${id} t${raft.term}: ${terms} | commit ${raft.log.commitIndex}`;
      }),
  };

  run(line: string): string[] {
    const words = line.trim().split(/\s+/);
    const quietly = words.at(-1) === "quietly";
    const [name = "", ...rest] = quietly ? words.slice(0, -1) : words;
    const command = this.#commands[name];
    if (command === undefined) throw new Error(`unknown command: ${line}`);
    this.#lines = [];
    command(rest);
    return quietly ? [] : this.#lines;
  }

  #replica(id = ""): TestReplica {
    return this.#cluster.replica(id);
  }

  #report(ids: readonly NodeId[], describe: (replica: TestReplica) => string): void {
    for (const id of ids.length === 0 ? this.#cluster.replicas.keys() : ids) {
      const replica = this.#replica(id);
      this.#lines.push(replica.isUp ? describe(replica) : `${id} down`);
    }
  }

  #show({ replica, input, output, before, automatic }: StepRecord): void {
    const { role, term, leader } = replica.raft;
    const effects = describeOutput(output);
    if (role !== before.role || term !== before.term || leader !== before.leader) {
      const of = role === "follower" && leader !== null ? ` of ${leader}` : "";
      effects.unshift(`becomes ${role} t${term}${of}`);
    }
    if (automatic && effects.length === 0) return;
    this.#lines.push(`${replica.id} ${describeInput(input)}`);
    this.#lines.push(...effects.map((effect) => `  ${effect}`));
  }

  /** Whether a message is among those picked, for taking it out of the network. */
  #select(words: readonly string[]): (message: Message) => boolean {
    const picked = new Set(this.#picked(words));
    return (each) => picked.has(each);
  }

  #picked([link = "", which]: readonly string[]): readonly Message[] {
    const [from, to] = link === "all" ? ["", ""] : link.split("->");
    if (to === undefined) throw new Error(`"${link}" is no link`);
    const onLink = this.#cluster.network.inFlight.filter(
      (each) => (from === "" || each.from === from) && (to === "" || each.to === to),
    );
    if (which === undefined) return onLink;
    const one = onLink.at(which === "first" ? 0 : which === "last" ? -1 : number(which) - 1);
    if (one === undefined) throw new Error(`there is no ${which} message on ${link}`);
    return [one];
  }
}

function number(word = ""): number {
  const value = Number(word.replace(/^#/, ""));
  if (word === "" || !Number.isSafeInteger(value)) throw new Error(`"${word}" is no number`);
  return value;
}

function isFast(speed = ""): boolean {
  if (speed !== "fast" && speed !== "slow") throw new Error(`"${speed}" is neither fast nor slow`);
  return speed === "fast";
}

function settings(words: readonly string[]): Partial<RaftConfig> {
  const pairs = words.filter((word) => word.includes("=")).map((word) => word.split("="));
  return Object.fromEntries(pairs.map(([name, value]) => [name, number(value)]));
}

function start(words: readonly string[]): Start {
  const at = words.indexOf("log");
  const [named, terms] = at === -1 ? [words, []] : [words.slice(0, at), words.slice(at + 1)];
  const valueOf = (name: string): string | undefined => {
    const found = named.indexOf(name);
    return found === -1 ? undefined : named[found + 1];
  };
  const vote = valueOf("vote");
  const base = valueOf("base");
  const applied = valueOf("applied");
  return {
    term: number(valueOf("term") ?? "0"),
    log: terms.map(number),
    ...(vote === undefined ? {} : { vote }),
    ...(base === undefined ? {} : { base }),
    ...(applied === undefined ? {} : { applied: number(applied) }),
  };
}
