// Ends a run with one plain line, and leaves the numbers where .ci/run adds them up.
const { appendFileSync } = require("node:fs");

module.exports = class SummaryReporter {
  onRunComplete(_contexts, results) {
    const broken = results.testResults.filter((file) => file.testExecError).length;
    const failed = results.numFailedTests + broken;
    const skipped = results.numPendingTests + results.numTodoTests;
    process.stderr.write(
      `\n${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped\n`,
    );
    const file = process.env.MMCPSTORE_TEST_COUNTS;
    if (file) appendFileSync(file, `${results.numPassedTests} ${failed} ${skipped}\n`);
  }
};
