/**
 * The pipeline that is killed: a function, a script, a script that is tried again, and a function, in a row; every beginning leaves a line in a history.
 *
 * `deno run -A pipeline.ts FOLDER run ...`
 */
import {
  FileRepository,
  functionTask,
  input,
  main,
  output,
  Pipeline,
  processTask,
  sh,
  YamlMetadataRepository,
} from "../../mod.ts";

const folder = Deno.args[0]!;
const history = `${folder}/history`;
const files = (name: string): FileRepository =>
  new FileRepository(`${folder}/${name}`, { extension: ".txt" });
const done = (name: string): YamlMetadataRepository => YamlMetadataRepository.files(`${folder}/done-${name}`);
const begin = (line: string): void => Deno.writeTextFileSync(history, `${line}\n`, { append: true });
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const [source, upper, counted, checked, report] = ["source", "upper", "counted", "checked", "report"].map(
  files,
) as FileRepository[];

/** A function: may begin more than once, and publishes once. */
const shout = functionTask("shout", {
  done: done("shout"),
  links: { source: input(source!), upper: output(upper!) },
}, async ({ job, source, upper }) => {
  begin(`shout ${job}`);
  await pause(3);
  await upper.write((await source.text()).toUpperCase());
});

/** A script: begins once, whatever happens to the coordinator, and only after `shout` has succeeded. */
const count = processTask("count", {
  done: done("count"),
  links: { upper: input(upper!), counted: output(counted!) },
  quota: { cpu: 0.25 },
  script: ({ job, upper, counted }) =>
    sh`
      test -e ${`${folder}/done-shout/${job}.yaml`} || echo ${`count ${job} too-early`} >> ${history}
      echo ${`count ${job}`} >> ${history}
      sleep 0.02
      wc -c < ${upper} | tr -d ' ' > ${counted}`,
});

/** A script whose first attempt fails. */
const check = processTask("check", {
  done: done("check"),
  links: { counted: input(counted!), checked: output(checked!) },
  quota: { cpu: 0.25 },
  retry: { attempts: 3, delay: 20 },
  script: ({ job, attempt, counted, checked }) =>
    sh`
      test -e ${`${folder}/done-count/${job}.yaml`} || echo ${`check ${job} too-early`} >> ${history}
      echo ${`check ${job} attempt ${attempt}`} >> ${history}
      test ${attempt} -gt 1 || exit 9
      cp ${counted} ${checked}`,
});

const write = functionTask("write", {
  done: done("write"),
  links: { checked: input(checked!), report: output(report!) },
}, async ({ job, checked, report }) => {
  begin(`write ${job}`);
  await report.write(`${job}: ${(await checked.text()).trim()}\n`);
});

await main(
  new Pipeline({ tasks: [write, check, count, shout], state: `${folder}/state` }),
  { args: Deno.args.slice(1) },
);
