/**
 * A token service for tests, as registries with bearer tokens have beside them.
 *
 * @module
 */

/** A token service. */
export interface TokenService extends AsyncDisposable {
  readonly realm: string;
  /** The certificate that the registry must trust, a path. */
  readonly bundle: string;
  /** The requests for tokens so far. */
  readonly asked: { readonly scope: string; readonly user: string; readonly refresh?: string }[];
}

const encode = (value: unknown): string => {
  const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(JSON.stringify(value));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
};

/** Starts a token service. `alice` may do all, everybody else may pull; a wrong password gets 401. */
export async function tokenService(dir: string, password: string): Promise<TokenService> {
  const args = [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=tokens",
    "-keyout",
    "token.key",
    "-out",
    "token.pem",
  ];
  await new Deno.Command("openssl", { args, cwd: dir, stdout: "null", stderr: "null" }).output();
  const pem = async (name: string): Promise<Uint8Array<ArrayBuffer>> =>
    Uint8Array.fromBase64(
      (await Deno.readTextFile(`${dir}/${name}`)).replace(/-----[^-]*-----|\s/g, ""),
    ) as Uint8Array<ArrayBuffer>;
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("pkcs8", await pem("token.key"), algorithm, false, ["sign"]);
  const certificate = (await pem("token.pem")).toBase64();
  const asked: { scope: string; user: string; refresh?: string }[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const form = request.method === "POST" ? new URLSearchParams(await request.text()) : undefined;
    const parameters = form ?? new URL(request.url).searchParams;
    const login = atob(request.headers.get("authorization")?.replace("Basic ", "") ?? "");
    const user = login.slice(0, login.indexOf(":"));
    const refresh = form?.get("refresh_token") ?? undefined;
    const scope = parameters.get("scope") ?? "";
    asked.push({ scope, user, ...(refresh && { refresh }) });
    const known = refresh === "long-lived" || (user === "alice" && login === `alice:${password}`);
    if ((login || refresh) && !known) return new Response("no", { status: 401 });
    const [type, name, actions] = scope.split(":");
    const granted = actions!.split(",").filter((action) => known || action === "pull");
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: "tests",
      aud: "registry",
      sub: user,
      jti: crypto.randomUUID(),
      iat: now - 1,
      nbf: now - 1,
      exp: now + 300,
      access: [{ type, name, actions: granted }],
    };
    const text = `${encode({ typ: "JWT", alg: "RS256", x5c: [certificate] })}.${encode(claims)}`;
    const signature = await crypto.subtle.sign(algorithm, key, new TextEncoder().encode(text));
    return Response.json({ token: `${text}.${encode(new Uint8Array(signature))}`, expires_in: 300 });
  });
  return {
    realm: `http://127.0.0.1:${server.addr.port}/token`,
    bundle: `${dir}/token.pem`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
