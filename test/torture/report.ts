import { describeVerdict } from "../linearizability/report.ts";
import type { TortureResult } from "./run.ts";

/** Whether everything was as it must be. */
export const isGood = ({ verdict, complaints }: TortureResult): boolean =>
  verdict.type === "linearizable" && complaints.length === 0;

/** What came of a run, in a few lines. */
export function describeResult(result: TortureResult, seconds: number): string {
  const { operations, faults, peers, term, log, watched, longestGapMs, complaints } = result;
  const count = (status: string): number =>
    operations.filter((operation) => operation.status === status).length;
  const struck = [...faults].map(([name, times]) => `${times} ${name}`).join(", ");
  return [
    `operations   ${operations.length}, ${Math.round(operations.length / seconds)} a second: ` +
      `${count("ok")} answered, ${count("fail")} refused, ${count("info")} unknown`,
    `latency      median ${percentile(result, 0.5)} ms, 99 % ${percentile(result, 0.99)} ms`,
    `longest gap  ${Math.round(longestGapMs)} ms without an acknowledged write`,
    `between replicas  ${peers.messages} calls, ${peers.lost} lost, ${peers.doubled} doubled`,
    `faults       ${struck === "" ? "none" : struck}`,
    `watched      ${watched.watchers} were told ${watched.events} changes each, on ${watched.visits} connections`,
    `elections    the last term is ${term}`,
    `log          begins at ${log.first} and ends at ${log.last}`,
    ...complaints.map((complaint) => `WRONG        ${complaint}`),
    describeVerdict(result.verdict).text.trimEnd(),
  ].join("\n");
}

/** One line of the table of scenario families. */
export function describeFamily(family: string, result: TortureResult): string {
  const { operations, peers } = result;
  const count = (status: string): number =>
    operations.filter((operation) => operation.status === status).length;
  const cells = [
    family.padEnd(11),
    ...[operations.length, peers.messages, count("fail"), count("info"), peers.doubled].map(
      (number) => String(number).padStart(10),
    ),
    `${percentile(result, 0.5)} ms`.padStart(10),
    (isGood(result) ? "0" : "SOME").padStart(10),
  ];
  return cells.join("");
}

export const familyHead = [
  "family".padEnd(11),
  ...["requests", "messages", "failed", "unanswered", "duplicates", "median", "wrong gets"].map(
    (name) => name.padStart(10),
  ),
].join("");

/** In ms, of the operations that were answered. */
function percentile({ latencies }: TortureResult, part: number): string {
  if (latencies.length === 0) return "no";
  return latencies[Math.trunc(part * (latencies.length - 1))]!.toFixed(1);
}
