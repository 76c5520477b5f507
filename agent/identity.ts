/**
 * What an agent keeps in the state folder, so that the next coordinator is the same agent to workers: its secret, and its port.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { decodeText, encodeText } from "../core/bytes.ts";
import { advice, classifySystemError, DatataskError, describeError } from "../core/errors.ts";

/** How long the secret is, in bytes. */
const SECRET_BYTES = 32;

/** Who an agent is. */
export interface AgentIdentity {
  /** Signs tokens. */
  readonly secret: Uint8Array;
  /** Its name, with which paths begin; known to everybody. */
  readonly id: string;
  /** The port of the coordinator before. */
  readonly port: number | undefined;
}

/**
 * Reads who the agent of a state folder is; makes it up the first time.
 *
 * @param folder The folder of the agent in the state folder. It is made.
 * @returns Who it is.
 * @throws {DatataskError} When the folder cannot be used, or holds a damaged secret.
 */
export async function openIdentity(folder: string): Promise<AgentIdentity> {
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    const secret = await readSecret(`${folder}/secret`);
    const id = createHmac("sha256", secret).update("datatask agent id 1").digest("hex").slice(0, 20);
    return { secret, id, port: await readPort(`${folder}/port`) };
  } catch (error) {
    if (error instanceof DatataskError) throw error;
    const code = classifySystemError(error) ?? "io";
    const why = describeError(error);
    throw new DatataskError(
      code,
      `Cannot start the agent: cannot use its folder ${folder}: ${why}${advice(code, why)}`,
      { operation: "start the agent", cause: error },
    );
  }
}

async function readSecret(path: string): Promise<Uint8Array> {
  const text = await readText(path);
  if (text === undefined) {
    const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
    // Whole or not at all: a secret that was cut short by a crash would be another one.
    await replace(path, `${secret.toHex()}\n`);
    return secret;
  }
  if (/^[0-9a-f]{64}\n$/.test(text)) return Uint8Array.fromHex(text.trim());
  throw new DatataskError(
    "io",
    `Cannot start the agent: its secret in ${path} is damaged; remove that file (work that runs elsewhere now cannot deliver any more, and is done again)`,
    { operation: "start the agent" },
  );
}

async function readPort(path: string): Promise<number | undefined> {
  const port = Number(await readText(path));
  return Number.isInteger(port) && port >= 1 && port <= 65535 ? port : undefined;
}

/**
 * Keeps the port for the next coordinator.
 *
 * @param folder The folder of the agent.
 * @param port The port.
 */
export async function rememberPort(folder: string, port: number): Promise<void> {
  await replace(`${folder}/port`, `${port}\n`);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return decodeText(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function replace(path: string, text: string): Promise<void> {
  const temp = `${path}.${crypto.randomUUID()}`;
  try {
    await Deno.writeFile(temp, encodeText(text), { createNew: true, mode: 0o600 });
    await Deno.rename(temp, path);
  } catch (error) {
    await Deno.remove(temp).catch(() => {});
    throw error;
  }
}
