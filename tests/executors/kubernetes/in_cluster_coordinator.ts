/**
 * A coordinator that lives in a pod, and starts others beside itself: a cluster is not named, and is found by what every pod is given.
 *
 * @module
 */
import {
  containerTask,
  FileRepository,
  input,
  output,
  Pipeline,
  sh,
  YamlMetadataRepository,
} from "../../../mod.ts";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";

const [dir, image] = Deno.args as [string, string];
const texts = new FileRepository(`${dir}/texts`);
const copies = new FileRepository(`${dir}/copies`);
await texts.put("emma", "Emma Woodhouse");
const copy = containerTask("copy", {
  done: YamlMetadataRepository.files(`${dir}/done`),
  links: { texts: input(texts), copies: output(copies) },
  executor: kubernetesExecutor(),
  image,
  quota: { cpu: 0 },
  script: ({ texts, copies }) => sh`tr a-z A-Z <${texts} >${copies}`,
});
const agent = { hostname: Deno.env.get("POD_IP")! };
const run = new Pipeline({ tasks: [copy], state: `${dir}/state`, agent }).run();
for await (const event of run) {
  if (event.type === "trouble") console.log(event.message);
  if (event.type === "finished") console.log(`${event.outcome.reason} in ${event.outcome.where}`);
}
console.log(await copies.text("emma"));
