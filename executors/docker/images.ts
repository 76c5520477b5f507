/**
 * Getting images to where an engine is.
 *
 * @module
 */
import { unless } from "../../core/clock.ts";
import { ExecutorError } from "../../core/errors.ts";
import { findLogin, registryOf } from "./credentials.ts";
import { pullFault } from "../pull_fault.ts";
import { type Engine, EngineFault } from "./engine.ts";

/** Pulls images: each once at a time, however many runs want it. */
export class Images {
  readonly #engine: Engine;
  readonly #config: string | undefined;
  readonly #pulls = new Map<string, Promise<void>>();

  /**
   * @param engine Which engine.
   * @param config The `config.json` that holds the logins. Default: that of the `docker` command.
   */
  constructor(engine: Engine, config: string | undefined) {
    this.#engine = engine;
    this.#config = config;
  }

  /**
   * Pulls an image.
   *
   * @param image Which.
   * @param action What it is pulled for, for errors.
   * @param signal When to stop waiting; others may still want it.
   * @throws {ExecutorError} When it cannot be had.
   */
  async pull(image: string, action: string, signal: AbortSignal | undefined): Promise<void> {
    let pull = this.#pulls.get(image);
    if (pull === undefined) {
      pull = this.#pull(image).finally(() => this.#pulls.delete(image));
      this.#pulls.set(image, pull);
    }
    try {
      await unless(signal, pull);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof EngineFault)) throw error;
      if (error.away || error.refused) throw this.#engine.explain(error, action);
      throw unpullable(image, action, error);
    }
  }

  async #pull(image: string): Promise<void> {
    const login = await findLogin(image, this.#config);
    // Without a tag or digest the engine would pull every tag there is.
    const whole = /@|:[^/]*$/.test(image) ? image : `${image}:latest`;
    const stream = await this.#engine.call<AsyncIterable<Uint8Array>>({
      method: "POST",
      path: "/images/create",
      query: { fromImage: whole },
      ...(login && { login }),
      stream: true,
    });
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) check(line);
    }
    check(rest);
  }
}

/** Each line of a pull is a document; one of them may say that it has failed. */
function check(line: string): void {
  if (line.trim() === "") return;
  const { error } = JSON.parse(line) as { error?: string };
  if (error !== undefined) throw new EngineFault(error, 500, undefined, undefined);
}

function unpullable(image: string, action: string, error: EngineFault): ExecutorError {
  const said = error.message;
  const registry = registryOf(image);
  const fault = pullFault(image, said);
  const [denied, missing] = [fault === "denied", fault === "missing"];
  // An engine that takes a registry for an insecure one asks again without TLS, and tells how that went.
  const hidden = /HTTP request (was sent )?to (an )?HTTPS/i.test(said);
  const todo = hidden
    ? `${registry} has refused it over HTTPS; check the name, the tag and the login, and the log of the engine`
    : denied
    ? `check the name, or log in with "docker login ${registry}"`
    : missing
    ? "check its name and tag"
    : `see that ${registry} can be reached from the engine, or bring the image there with "docker load"`;
  const what = denied ? "may not be pulled" : missing ? "does not exist" : "cannot be pulled";
  return new ExecutorError(
    // A registry that cannot be reached is trouble that passes; the rest is a mistake in the task.
    denied || missing || hidden || error.status === 400 ? "cannot-start" : "unavailable",
    `Cannot ${action}: the image ${image} ${what} (${said}); ${todo}`,
    { operation: "pull", subject: image, cause: error },
  );
}
