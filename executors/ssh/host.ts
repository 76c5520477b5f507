/**
 * A host as long as one connection to it lasts: its answering shell, and the shell that tells of ends.
 *
 * @module
 */
import type { ClientChannel } from "../../deps/ssh2.ts";
import { Batch } from "./batch.ts";
import { type Channel, Channels } from "./channels.ts";
import type { Connection } from "./connect.ts";
import type { AgentServer } from "../executor.ts";
import { hostError, LostError } from "./fault.ts";
import { HostFiles } from "./host_files.ts";
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

/** A run to begin: its folder, its uid, its head, its job; what was sent before, and the program that runs it, where there are. */
export type Begin = readonly [
  name: string,
  uid: string,
  head: string,
  job: string,
  staged: string,
  interpreter: string,
];

/** What is told of a run that has ended. */
export interface Told {
  /** Its folder. */
  readonly name: string;
  /** Who asked for it. */
  readonly uid: string;
  /** Its record. */
  readonly record: readonly string[];
}

/** How many runs begin or go with one request at the most, each of which may bring a large text along. */
const TOGETHER = 64;

/** How many watching shells wait for another run at the most. */
const IDLE = 32;

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
  readonly onEnd: (told: Told) => void;
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
  /** For what copies files itself. */
  readonly files: HostFiles;
  readonly #connection: Connection;
  readonly #others: readonly Connection[];
  readonly #options: HostOptions;
  readonly #pending = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (error: unknown) => void }
  >();
  readonly #acts: Batch<Begin | string, ReadonlyMap<Begin, Answer>>;
  /** The FIFOs of watching shells that wait for another run. */
  readonly #idle: string[] = [];
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
    this.files = new HostFiles(this.channels);
    this.#acts = new Batch((all) => this.#act(all), TOGETHER);
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
      else this.#tellOf(line);
    });
    void channel.closed.then(() => {
      this.#tells = false;
      resolve(false);
    });
    channel.stream.write(`${TELL}tell ${quote(this.facts.root)}\n`);
    this.#tells = await promise;
  }

  #tellOf(line: string): void {
    const [uid, name, fifo, ...record] = line.split("\t");
    // One of an earlier connection leaves with it.
    if (fifo?.startsWith(`.new/${this.facts.me}.`)) {
      if (this.#idle.length < IDLE) this.#idle.push(fifo);
      else this.ask("leave", fifo).catch(() => {});
    }
    this.#options.onEnd({ uid: uid!, name: name!, record });
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
   * Begins a run. What begins and goes at the same time goes together, as each program that is started costs more than all else; and a run is
   * given to a watching shell that waits, where there is one.
   *
   * @param begin Which.
   * @returns What is answered: 3 when it is there already, 4 when its interpreter is not fit.
   * @throws {LostError} When the connection is gone before the answer; it may have begun.
   */
  async begin(begin: Begin): Promise<Answer> {
    return (await this.#acts.add(begin)).get(begin)!;
  }

  /**
   * Removes a run.
   *
   * @param name Its folder.
   * @throws {LostError} When the connection is gone before the answer.
   */
  async drop(name: string): Promise<void> {
    await this.#acts.add(name);
  }

  async #act(all: readonly (Begin | string)[]): Promise<ReadonlyMap<Begin, Answer>> {
    const drops = all.filter((one) => typeof one === "string");
    const begins = all.filter((one) => typeof one !== "string");
    const { code, lines } = await this.ask(
      "act",
      drops.flatMap((name) => [`${name}/head`, name]).join(" "),
      begins.map(([name]) => name).join(" "),
      ...begins.flatMap((begin) => [...begin, this.#idle.pop() ?? ""]),
    );
    const answers = new Map<Begin, Answer>();
    let said: string[] = [];
    for (const line of lines) {
      const own = /^=: (\d+)$/.exec(line)?.[1];
      if (own === undefined) said.push(line);
      else {
        answers.set(begins[answers.size]!, { code: Number(own), lines: said });
        said = [];
      }
    }
    for (const begin of begins.slice(answers.size)) answers.set(begin, { code: code || 1, lines: said });
    return answers;
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
