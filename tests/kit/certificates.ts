import assert from "node:assert/strict";

async function openssl(...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: [...args] }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/**
 * Makes a certificate, of an authority of its own.
 *
 * @param folder Where its files go.
 * @param names What it is for besides this machine: `IP:10.0.0.5`.
 * @returns Its files.
 */
export async function certificates(
  folder: string,
  ...names: readonly string[]
): Promise<{ certificate: string; key: string; authorities: string }> {
  const at = (name: string): string => `${folder}/${name}`;
  const subject = (name: string): string[] => ["-subj", `/CN=${name}`];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl(
    "req",
    "-x509",
    ...curve,
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
    ...subject("test ca"),
  );
  await openssl("req", ...curve, "-keyout", at("key.pem"), "-out", at("csr"), ...subject("localhost"));
  const all = ["DNS:localhost", "IP:127.0.0.1", ...names].join();
  await Deno.writeTextFile(at("names"), `subjectAltName=${all}\nbasicConstraints=CA:FALSE\n`);
  await openssl(
    ...["x509", "-req", "-in", at("csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"],
    ...["-extfile", at("names"), "-out", at("cert.pem")],
  );
  return { certificate: at("cert.pem"), key: at("key.pem"), authorities: at("ca.pem") };
}
