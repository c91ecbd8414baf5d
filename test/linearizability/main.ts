import { checkLinearizability } from "./checker.ts";
import { readHistory } from "./history-file.ts";
import { type Report, describeVerdict } from "./report.ts";
import { checkRevisions } from "./revisions.ts";

const usage = `Usage: npm run check:history -- FILE

Checks a history file for linearizability; test/linearizability/operation.ts says what is in one.
Exits with 0 when it is linearizable, 1 when it is not or cannot be read, 2 when the search took
too long.
`;

function reportOn(path: string): Report {
  const history = readHistory(path);
  const report = describeVerdict(checkLinearizability(history));
  const revisions = checkRevisions(history);
  return revisions === null ? report : { text: `${report.text}\n${revisions}`, exitCode: 1 };
}

const [path, ...others] = process.argv.slice(2);
if (path === undefined || others.length > 0) {
  process.stderr.write(usage);
  process.exitCode = 1;
} else {
  try {
    const { text, exitCode } = reportOn(path);
    process.stdout.write(`${text}\n`);
    process.exitCode = exitCode;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
