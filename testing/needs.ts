/**
 * Services that tests need, by name: whether they are there, and that nobody overlooks it when they are not.
 *
 * @module
 */

/** Which variables tell where a service is. The first must be set; the others are for tests that start, cut and kill one of their own. */
const SERVICES: Readonly<Record<string, readonly string[]>> = {
  "mongodb": ["MONGODB_URL"],
  "mongodb-program": ["MONGODB_PROGRAM", "MONGODB_BACKEND"],
  "registry": ["REGISTRY_URL"],
  "registry-program": ["REGISTRY_PROGRAM"],
  "s3": ["S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"],
  "s3-domain": ["S3_DOMAIN", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"],
  "s3-program": ["S3_ENDPOINT", "S3_PROGRAM"],
  "swift": ["SWIFT_ENDPOINT", "SWIFT_ACCESS_KEY", "SWIFT_SECRET_KEY"],
  "minio": ["MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"],
  "docker": ["DOCKER_SOCKET"],
  "ssh": ["SSH_URL"],
  "kubernetes": [
    "KUBERNETES_TEST_CONFIG",
    "KUBERNETES_TEST_IMAGE",
    "KUBERNETES_DENO_IMAGE",
    "KUBERNETES_HOST_ADDRESS",
  ],
  "kubernetes-faults": ["KUBERNETES_PROGRAM"],
};

/** What tests need of the machine that they run on, and where it comes from. */
export const MEANS = {
  "machines": "unshare of process namespaces, for root on Linux",
  "disks": "mount of a small tmpfs, for root on Linux",
} as const;

/** A service that tests need. */
export interface Service {
  /** Whether it is there. Tests that need it are ignored when it is not. */
  readonly available: boolean;
  /** Options of a test that needs it: `Deno.test({ ...service.test, name, fn })`. */
  readonly test: { readonly ignore: boolean };
  /**
   * What a variable of the service says.
   *
   * @param variable Which.
   * @returns Its value; an empty text when the service is not there.
   */
  get(variable: string): string;
}

/**
 * Tells whether a service is there for the tests of a file.
 *
 * When it is not and `REQUIRE` (names, joined by commas; `-mongodb-program` takes one away) holds it, this throws, so that the run fails. When it is not and
 * `SERVICES_NOT_RUN` names a file, the service is noted there, for the table at the end of a run.
 *
 * @param service Its name: `mongodb`. A part of a service (`mongodb-program`) is required together with it.
 * @param variables Which variables tell where it is. Default: those known by that name.
 * @returns Whether it is there, and what its variables say.
 * @throws {Error} When it is required and not there.
 */
export function needs(service: string, variables: readonly string[] = SERVICES[service] ?? []): Service {
  if (variables.length === 0) throw new Error(`no variable tells where the service ${service} is`);
  const missing = variables.filter((variable) => !Deno.env.get(variable));
  const available = missing.length === 0;
  if (!available) {
    const whole = service.replace(/-(program|domain)$/, "");
    absent(service, [service, whole], `${missing.join(", ")} not set; eval "$(.ci/services/${whole}.sh)"`);
  }
  return {
    available,
    test: { ignore: !available },
    get: (variable) => available ? Deno.env.get(variable) ?? "" : "",
  };
}

/**
 * Notes for the tests of a file whether this machine has what they need, as {@linkcode needs} does for services.
 *
 * @param means What they need.
 * @param there Whether it has it, as the file has found out.
 * @returns Options of a test, or of a step, that needs it.
 * @throws {Error} When it is required and not there.
 */
export function needsOfMachine(means: keyof typeof MEANS, there: boolean): { readonly ignore: boolean } {
  if (!there) absent(means, [means], `it comes from ${MEANS[means]}`);
  return { ignore: !there };
}

/** What is not there fails the run where it is required by one of these names; else it is noted. */
function absent(name: string, names: readonly string[], why: string): void {
  const required = (Deno.env.get("REQUIRE") ?? "").split(",").map((each) => each.trim());
  if (names.some((each) => required.includes(each)) && !required.includes(`-${name}`)) {
    throw new Error(`${name} is required and not there: ${why}`);
  }
  const notes = Deno.env.get("SERVICES_NOT_RUN");
  if (notes) Deno.writeTextFileSync(notes, `${name}\n`, { append: true });
}
