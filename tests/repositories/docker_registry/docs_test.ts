import { DockerRegistryRepository, RegistryClient } from "../../../repositories/docker_registry/mod.ts";
import { runPage } from "../pages.ts";
import { imageOf } from "./layouts.ts";
import { ALICE, ownRegistry, ownTest } from "./servers.ts";

ownTest("the page on Docker registries runs with exactly the permissions that it names", async (stack) => {
  const open = await ownRegistry(stack);
  const closed = await ownRegistry(stack, { login: true });
  for (const { url } of [open, closed]) {
    const images = new DockerRegistryRepository(new RegistryClient(url, { credentials: ALICE }), {
      repository: "team/tools",
    });
    await images.put("v1", (await imageOf("x")).entries());
  }
  const home = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(home, { recursive: true }));
  await Deno.mkdir(`${home}/.docker`);
  const auth = btoa(`${ALICE.username}:${ALICE.password}`);
  await Deno.writeTextFile(
    `${home}/.docker/config.json`,
    JSON.stringify({ auths: { [closed.host]: { auth } } }),
  );
  const at = ({ host }: { host: string }): Record<string, string> => ({
    "registry.example:5000": host,
    "$HOME": home,
  });
  await runPage("docker-registry.md", 0, at(open), /team\/tools:v1 sha256:/);
  await runPage("docker-registry.md", 1, at(closed), /team\/tools:v1 sha256:/, { HOME: home });
  await runPage(
    "docker-registry.md",
    0,
    at(closed),
    /wants a login; pass `credentials`, or allow Docker's logins to be read \(--allow-env=DOCKER_CONFIG,HOME\)/,
    { HOME: home },
  );
});
