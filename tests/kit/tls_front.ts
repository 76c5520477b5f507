/**
 * A server behind TLS, with a certificate of an authority of its own.
 *
 * @module
 */

async function openssl(dir: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command("openssl", {
    args,
    cwd: dir,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (code !== 0) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

/** Takes TLS off and passes the rest on. */
export class TlsFront implements AsyncDisposable {
  /** Its address. */
  readonly url: string;
  /** The certificate of the authority, in PEM. */
  readonly ca: string;
  readonly #listener: Deno.Listener<Deno.TlsConn>;
  readonly #served: Promise<void>;
  readonly #open = new Set<Deno.Conn>();

  private constructor(target: string, ca: string, cert: string, key: string) {
    this.ca = ca;
    this.#listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
    this.url = `https://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
    this.#served = this.#accept(new URL(target));
  }

  /**
   * Starts one.
   *
   * @param target Where the server is.
   */
  static async start(target: string): Promise<TlsFront> {
    const dir = await Deno.makeTempDir();
    try {
      const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
      await openssl(
        dir,
        "req",
        "-x509",
        ...key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "2",
        "-subj",
        "/CN=tests",
      );
      await openssl(dir, "req", ...key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=127.0.0.1");
      await Deno.writeTextFile(`${dir}/leaf.ext`, "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n");
      await openssl(
        dir,
        ...["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
        ...["-out", "leaf.pem", "-days", "2", "-extfile", "leaf.ext"],
      );
      const [ca, cert, leaf] = await Promise.all(
        ["ca.pem", "leaf.pem", "leaf.key"].map((name) => Deno.readTextFile(`${dir}/${name}`)),
      );
      return new TlsFront(target, ca!, cert!, leaf!);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  }

  async #accept({ hostname, port }: URL): Promise<void> {
    const served: Promise<unknown>[] = [];
    for (;;) {
      let client: Deno.TlsConn;
      try {
        client = await this.#listener.accept();
      } catch {
        break;
      }
      try {
        await client.handshake();
      } catch {
        client.close();
        continue;
      }
      const server = await Deno.connect({ hostname, port: Number(port) });
      this.#open.add(client).add(server);
      served.push(Promise.allSettled([
        client.readable.pipeTo(server.writable),
        server.readable.pipeTo(client.writable),
      ]));
    }
    await Promise.all(served);
  }

  /** Stops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) {
      try {
        connection.close();
      } catch {
        // Closed already.
      }
    }
    await this.#served;
  }
}
