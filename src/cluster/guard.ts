/**
 * Ends the process named on the command line as soon as this one's input closes; see runtime-
 * process.ts.
 */
const pid = Number(process.argv[2]);

process.stdin.on("close", () => {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already, which is what was wanted.
  }
});
process.stdin.resume();
