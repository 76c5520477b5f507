import assert from "node:assert/strict";

/** What `needs` says in a process with this environment. */
async function asked(service: string, env: Record<string, string>): Promise<string> {
  const module = new URL("../../testing/needs.ts", import.meta.url).href;
  const code = `import { needs } from ${JSON.stringify(module)};
    try { console.log(needs("${service}").available) } catch (error) { console.log(error.message) }`;
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
