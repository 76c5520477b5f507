/** What states of Jobs mean when there is no pod that tells. */
import assert from "node:assert/strict";
import { judgeJob } from "../../../../executors/kubernetes/job_status.ts";
import type { Job } from "../../../../executors/kubernetes/objects.ts";
import { attempt } from "./kit.ts";

const identity = {
  ...{ attempt, notes: { a: "b" }, merged: true, container: "main" },
  ...{ headed: true, everywhere: false, start: "s" },
};

function job(conditions: readonly string[], spec: Job["spec"] = {}, status: Job["status"] = {}): Job {
  return {
    metadata: {
      name: "datatask-t-one-0011223344556677",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: "2026-01-02T03:04:05Z",
    },
    spec,
    status: {
      ...status,
      conditions: conditions.map((words) => {
        const [type, reason, message] = words.split(": ");
        return { type: type!, status: "True", reason: reason!, message: message! };
      }),
    },
  };
}

const base = {
  attempt,
  notes: { a: "b" },
  since: Date.parse("2026-01-02T03:04:05Z"),
  where: "job datatask-t-one-0011223344556677",
};
const until = Date.parse("2026-01-02T03:04:09Z");

for (
  const [what, it, told] of [
    ["no pod", job([]), { state: "running", waiting: "its Job has no pod yet" }],
    ["a suspended Job", job(["Suspended: JobSuspended: Job suspended"], { suspend: true }), {
      state: "running",
      waiting: "its Job is suspended: it begins when whoever holds it back, such as a queue, lets it go",
    }],
    [
      "success",
      job(["SuccessCriteriaMet", "Complete"], {}, { completionTime: "2026-01-02T03:04:09Z" }),
      { state: "finished", until, exitCode: 0 },
    ],
    [
      "a pod that was taken away",
      job(["FailureTarget: PodFailurePolicy: Pod a/b has condition DisruptionTarget"]),
      {
        state: "finished",
        reason: "its cluster has taken its pod away: Pod a/b has condition DisruptionTarget",
        infrastructure: true,
      },
    ],
    ["a deadline", job(["Failed: DeadlineExceeded: Job was active longer than specified deadline"]), {
      state: "finished",
      reason: "it ran longer than the activeDeadlineSeconds of its Job allow",
    }],
    [
      "any other failure",
      job(["Failed: BackoffLimitExceeded: Job has reached the specified backoff limit"]),
      {
        state: "lost",
        reason:
          "its pod is gone, and its Job does not know how it has ended: Job has reached the specified backoff limit",
      },
    ],
  ] as const
) {
  Deno.test(`a Job without a pod tells ${what}`, () => {
    const { status, placed, begun } = judgeJob(it, identity);
    assert.deepEqual({ placed, begun }, { placed: false, begun: false });
    // When a Job has failed is when it was asked.
    const { until: at, ...rest } = { until: 0, ...status };
    assert.deepEqual("until" in told ? { ...rest, until: at } : rest, { ...base, ...told });
  });
}
