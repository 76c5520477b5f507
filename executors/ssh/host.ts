/**
 * A host as long as one connection to it lasts: its answering shell, and the shell that tells of ends.
 *
 * @module
 */
import type { ClientChannel } from "../../deps/ssh2.ts";
import { type Channel, Channels } from "./channels.ts";
import type { Connection } from "./connect.ts";
import type { AgentServer } from "../executor.ts";
import { hostError, LostError } from "./fault.ts";
import { forwardBack } from "./reach.ts";
import { ANSWER, TELL, WATCH } from "./script.ts";

/** What a request was answered with. */
export interface Answer {
  /** 0 when all went well. */
  readonly code: number;
  /** What was said, line by line. */
  readonly lines: readonly string[];
}

/** What the host says of itself. */
export interface HostFacts {
  /** The folder of the runs, absolute. */
  readonly root: string;
  /** This life of the machine. */
  readonly boot: string;
  /** The answering shell: its pid, and when it began. */
  readonly me: string;
}

/** What a host is opened with. */
export interface HostOptions {
  /** The executor, for errors. */
  readonly name: string;
  /** A POSIX shell there. */
  readonly shell: string;
  /** The folder below which runs are kept; empty for the usual one. */
  readonly root: string;
  /** The folder in it that is ours. */
  readonly id: string;
  /** How many channels the server allows. */
  readonly maxSessions: number;
  /** Called for each run that has ended. */
  readonly onEnd: (name: string) => void;
  /** Called once, when the connection is gone. */
  readonly onLost: () => void;
}

/** A text as one word of a shell. */
export const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Reads lines of a channel. */
function onLines(stream: ClientChannel, call: (line: string) => void): void {
  const decoder = new TextDecoder();
  let rest = "";
  stream.on("data", (chunk: Uint8Array) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) call(line);
  });
}

/** One connection to a host, and the shells on it. */
export class Host {
  /** For what takes a channel of its own. */
  readonly channels: Channels;
  readonly #connection: Connection;
  readonly #others: readonly Connection[];
  readonly #options: HostOptions;
  readonly #pending = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (error: unknown) => void }
  >();
  #control: Channel | undefined;
  #tell: Channel | undefined;
  #facts: HostFacts | undefined;
  #tells = false;
  /** The port of the server that runs can connect to. */
  #reached: { readonly port: number; readonly path: Promise<string> } | undefined;
  #lost = false;
  #next = 1;
  #lines: string[] = [];

  /**
   * @param connection The connection.
   * @param others Connections that it goes through.
   * @param options What is there.
   */
  constructor(connection: Connection, others: readonly Connection[], options: HostOptions) {
    this.#connection = connection;
    this.#others = others;
    this.#options = options;
    this.channels = new Channels(connection.client, options.maxSessions);
    void connection.closed.then(() => this.#lose());
  }

  /** What the host says of itself. */
  get facts(): HostFacts {
    return this.#facts!;
  }

  /** A POSIX shell there. */
  get shell(): string {
    return this.#options.shell;
  }

  /** Whether ends are told as they come; otherwise they must be looked for. */
  get tells(): boolean {
    return this.#tells;
  }

  /** Whether the connection is gone. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Starts the shells. Returns what was said instead, when the host is not fit. */
  async open(): Promise<string | undefined> {
    const { shell, root, id } = this.#options;
    const control = await this.channels.run(`exec ${shell}`);
    this.#control = control;
    void control.closed.then(() => this.close());
    onLines(control.stream, (line) => this.#hear(line));
    control.stream.write(`${ANSWER}W=${quote(WATCH)}\n`);
    const answer = await this.ask("hello", root, id, shell).catch(() => ({
      code: 1,
      lines: [control.said()],
    }));
    const fact = (name: string): string | undefined =>
      answer.lines.find((line) => line.startsWith(`${name} `))?.slice(2);
    if (answer.code !== 0 || !fact("R")) return answer.lines.join("\n") || `${shell} does not answer`;
    this.#facts = { root: fact("R")!, boot: fact("B") ?? "", me: fact("M") ?? "" };
    await this.#listen();
    return undefined;
  }

  /** Has ends told. A host whose folder takes no FIFO goes without. */
  async #listen(): Promise<void> {
    const channel = await this.channels.run(`exec ${this.#options.shell}`);
    this.#tell = channel;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    onLines(channel.stream, (line) => {
      if (line === "") resolve(true);
      else this.#options.onEnd(line);
    });
    void channel.closed.then(() => {
      this.#tells = false;
      resolve(false);
    });
    channel.stream.write(`${TELL}tell ${quote(this.facts.root)}\n`);
    this.#tells = await promise;
  }

  #hear(line: string): void {
    const [, number, code] = /^= (\d+) (\d+)$/.exec(line) ?? [];
    if (number === undefined) {
      if (line !== "") this.#lines.push(line);
      return;
    }
    const lines = this.#lines;
    this.#lines = [];
    const pending = this.#pending.get(Number(number));
    this.#pending.delete(Number(number));
    pending?.resolve({ code: Number(code), lines });
  }

  /**
   * Asks the answering shell. Requests are answered in order.
   *
   * @param words A function of it, and its arguments.
   * @returns What it answers.
   * @throws {LostError} When the connection is gone before the answer; what was asked for may have been done.
   */
  ask(...words: readonly string[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#lost || !this.#control?.stream.writable) {
        return reject(new LostError("the connection was closed"));
      }
      const number = this.#next++;
      this.#pending.set(number, { resolve, reject });
      this.#control.stream.write(`{ q ${number} ${words.map(quote).join(" ")}; }\n`);
    });
  }

  /**
   * Lets runs connect to a server of this machine: they find the address in the file `.agent` beside them.
   *
   * @param server The server.
   * @returns The path of the file.
   */
  reach(server: AgentServer): Promise<string> {
    if (this.#reached?.port === server.port) return this.#reached.path;
    const reached = this.#reached = { port: server.port, path: this.#forward(server) };
    reached.path.catch(() => {
      if (this.#reached === reached) this.#reached = undefined;
    });
    return reached.path;
  }

  async #forward(server: AgentServer): Promise<string> {
    const path = `${this.facts.root}/.agent`;
    const { name } = this.#options;
    // Runs that go on may know the port of the last connection, and no other.
    const before = await this.ask("cat", ".agent");
    const port = before.code === 0 ? Number(/:(\d+)$/.exec(before.lines[0] ?? "")?.[1] ?? 0) : 0;
    const address = await forwardBack(this.#connection.client, server, name, port);
    const { code, lines } = await this.ask("agent", address);
    if (code !== 0) throw hostError(name, `write ${path}`, lines.join("\n"));
    return path;
  }

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    for (const { reject } of this.#pending.values()) reject(new LostError("the connection was closed"));
    this.#pending.clear();
    this.#options.onLost();
  }

  /** Leaves, and removes what is empty. */
  async leave(): Promise<void> {
    // First the one whose FIFO is in a folder that the other removes.
    if (!this.#lost) {
      this.#tell?.stream.end();
      await Promise.race([this.#tell?.closed, this.#connection.closed]);
    }
    await this.ask("bye").catch(() => {});
    await this.close();
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    await this.#connection.end();
    for (const other of this.#others) await other.end();
    this.#lose();
  }
}
