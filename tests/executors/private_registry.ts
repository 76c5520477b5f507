/**
 * A registry that wants a login, and images with a shell that are pushed there.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { createTarPacker } from "../../deps/modern_tar.ts";
import { DockerRegistryRepository, RegistryClient } from "../../repositories/docker_registry/mod.ts";
import { imageOf } from "../repositories/docker_registry/layouts.ts";
import {
  ALICE,
  certificates,
  type OwnRegistry,
  ownRegistry,
} from "../repositories/docker_registry/servers.ts";
import { programs } from "./docker/own_engine.ts";

/** The programs that scripts of executors need beside the shell. */
const APPLETS = [
  "sh",
  "cat",
  "echo",
  "head",
  "kill",
  "ls",
  "mkdir",
  "mv",
  "rm",
  "sleep",
  "test",
  "env",
  "base64",
];

/** The layer of an image with busybox, and with a file `/version`. */
async function shellLayer(version: string): Promise<Bytes> {
  const { readable, controller } = createTarPacker();
  const file = async (name: string, bytes: Uint8Array, mode: number): Promise<void> => {
    const writer = controller.add({ name, size: bytes.length, mode }).getWriter();
    await writer.write(bytes);
    await writer.close();
  };
  const fill = async (): Promise<void> => {
    await file("bin/busybox", await Deno.readFile(`${programs.get("DOCKER_PROGRAMS")}/bin/busybox`), 0o755);
    for (const name of APPLETS) {
      await controller.add({ name: `bin/${name}`, type: "symlink", linkname: "busybox", size: 0 }).close();
    }
    await controller.add({ name: "tmp/", type: "directory", size: 0, mode: 0o1777 }).close();
    await file("version", new TextEncoder().encode(`${version}\n`), 0o644);
    controller.finalize();
  };
  const filled = fill();
  const tar = await new Response(readable as ReadableStream<Bytes>).arrayBuffer();
  await filled;
  return new Uint8Array(tar);
}

/** A registry, and images there. */
export interface PrivateRegistry {
  /** The name that images have there: `127.0.0.1:5000/team/tools`. */
  readonly name: string;
  /** Puts an image there, which says by `cat /version` which it is. */
  push(tag: string, version: string): Promise<void>;
  /** The text of a `config.json` with a login: the right one, or one with another password. */
  login(password?: string): string;
}

/**
 * Starts a registry that wants a login.
 *
 * @param stack Ends it.
 * @param tls Whether it speaks TLS.
 */
export async function privateRegistry(stack: AsyncDisposableStack, tls = false): Promise<PrivateRegistry> {
  const files = tls ? await certificates(stack) : undefined;
  const server: OwnRegistry = await ownRegistry(stack, { login: true, ...(files && { tls: files }) });
  const client = stack.use(
    new RegistryClient(server.url, {
      credentials: ALICE,
      ...(files && { caCerts: [files.ca] }),
    }),
  );
  // A node keeps images by name for as long as it lives.
  const repository = `team/${crypto.randomUUID().slice(0, 8)}`;
  const images = new DockerRegistryRepository(client, { repository });
  await images.prepare();
  return {
    name: `${server.host}/${repository}`,
    async push(tag, version) {
      await images.put(tag, (await imageOf(await shellLayer(version))).entries());
    },
    login: (password = ALICE.password) =>
      JSON.stringify({ auths: { [server.host]: { auth: btoa(`${ALICE.username}:${password}`) } } }),
  };
}
