import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { testExecutor } from "../../../testing/executor_suite.ts";
import { clusterTest, image, type Place } from "./cluster.ts";
import { freshState, optionsOf, things } from "./kit.ts";
import { asProcesses } from "../as_processes.ts";

/** Each case has a namespace of its own. */
const places = new Map<string, Place>();
let place: Place;

for (const as of ["pod", "job"] as const) {
  testExecutor(as === "pod" ? "kubernetesExecutor()" : 'kubernetesExecutor({ as: "job" })', {
    make(stack) {
      const state = freshState(stack);
      const mine = place;
      places.set(state, mine);
      return {
        executor: asProcesses(kubernetesExecutor({ ...optionsOf(mine), as }), { image }),
        state,
        // The cluster removes a Secret soon after the pod that it belongs to.
        async leftovers() {
          for (let left: string[], late = Date.now() + 30_000;;) {
            left = await things(mine);
            if (left.length === 0 || Date.now() > late) return left;
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
        },
      };
    },
    reopen: ({ state }) =>
      asProcesses(kubernetesExecutor({ ...optionsOf(places.get(state)!), as }), { image }),
    big: Number(Deno.env.get("DATATASK_BIG") ?? 5_000_000),
    many: 8,
    except: [{
      case: "honors the first line of a script",
      because:
        "a pod begins when the cluster has a place for it, so that a program that is not in its image is told in the outcome",
    }],
    test: (name, body, ignored) => {
      if (ignored !== undefined) return Deno.test({ name, fn: body, ignore: true });
      clusterTest(name, async (given) => {
        place = given;
        await body();
      });
    },
  });
}
