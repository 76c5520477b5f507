import assert from "node:assert/strict";

/** What `needs` says in a process with this environment. */
async function asked(
  service: string,
  env: Record<string, string>,
  ask = `needs("${service}").available`,
): Promise<string> {
  const module = new URL("../../testing/needs.ts", import.meta.url).href;
  const code = `import { needs, needsOfMachine } from ${JSON.stringify(module)};
    try { console.log(${ask}) } catch (error) { console.log(error.message) }`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
    clearEnv: true,
    env: { HOME: Deno.env.get("HOME") ?? "", NO_COLOR: "1", ...env },
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("needs() tells what is there, and fails where it is required and not there", async () => {
  assert.equal(await asked("mongodb", {}), "false");
  assert.equal(await asked("mongodb", { MONGODB_URL: "x", REQUIRE: "mongodb" }), "true");
  assert.equal(
    await asked("mongodb-program", { MONGODB_URL: "x", REQUIRE: "s3, mongodb" }),
    'mongodb-program is required and not there: MONGODB_PROGRAM, MONGODB_BACKEND not set; eval "$(.ci/services/mongodb.sh)"',
  );
  assert.equal(await asked("mongodb-program", { REQUIRE: "mongodb,-mongodb-program" }), "false");
});

Deno.test("what this machine does not offer is noted as services are, and fails where it is required", async () => {
  const notes = await Deno.makeTempFile();
  try {
    const ask = (there: boolean, env: Record<string, string>): Promise<string> =>
      asked("", { ...env, SERVICES_NOT_RUN: notes }, `needsOfMachine("machines", ${there}).ignore`);
    assert.deepEqual([await ask(true, {}), await ask(false, {})], ["false", "true"]);
    assert.equal(await Deno.readTextFile(notes), "machines\n");
    assert.equal(
      await ask(false, { REQUIRE: "s3,machines" }),
      "machines is required and not there: it comes from unshare of process namespaces, for root on Linux",
    );
    assert.equal(await Deno.readTextFile(notes), "machines\n");
  } finally {
    await Deno.remove(notes);
  }
});
