/**
 * A server behind TLS, with a certificate of an authority of its own.
 *
 * @module
 */
import { certificates } from "./certificates.ts";
import { inFolder } from "./folder.ts";

/** The files of a certificate, as `certificates` makes them. */
type Files = Awaited<ReturnType<typeof certificates>>;

/** Takes TLS off and passes the rest on. */
export class TlsFront implements AsyncDisposable {
  /** Its address. */
  readonly url: string;
  /** The certificate of the authority, in PEM. */
  readonly ca: string;
  /** How many connections came through the handshake. */
  passed = 0;
  readonly #connect: () => Promise<Deno.Conn>;
  readonly #listener: Deno.TlsListener;
  readonly #served: Promise<void>;
  readonly #open = new Set<Deno.Conn>();

  /**
   * @param connect Connects to the server.
   * @param files Its certificate.
   */
  constructor(connect: () => Promise<Deno.Conn>, { certificate, key, authorities }: Files) {
    this.#connect = connect;
    this.ca = Deno.readTextFileSync(authorities);
    this.#listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      cert: Deno.readTextFileSync(certificate),
      key: Deno.readTextFileSync(key),
    });
    this.url = `https://127.0.0.1:${this.port}`;
    this.#served = this.#accept();
  }

  /**
   * Starts one, with a certificate of its own.
   *
   * @param target Where the server is.
   */
  static async start(target: string): Promise<TlsFront> {
    const { hostname, port } = new URL(target);
    const connect = (): Promise<Deno.Conn> => Deno.connect({ hostname, port: Number(port) });
    let front: TlsFront | undefined;
    await inFolder(async (folder) => void (front = new TlsFront(connect, await certificates(folder))));
    return front!;
  }

  /** Its port. */
  get port(): number {
    return this.#listener.addr.port;
  }

  async #accept(): Promise<void> {
    const served: Promise<void>[] = [];
    for await (const client of this.#listener) served.push(this.#serve(client));
    await Promise.all(served);
  }

  async #serve(client: Deno.TlsConn): Promise<void> {
    this.#open.add(client);
    try {
      await client.handshake();
      this.passed++;
      const server = await this.#connect();
      this.#open.add(server);
      await Promise.allSettled([
        client.readable.pipeTo(server.writable),
        server.readable.pipeTo(client.writable),
      ]);
    } catch {
      // The other side does not trust the certificate, or has gone.
      this.#close(client);
    }
  }

  #close(connection: Deno.Conn): void {
    try {
      connection.close();
    } catch {
      // Closed already.
    }
  }

  /** Stops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) this.#close(connection);
    await this.#served;
  }
}
