/**
 * What the errors of S3 mean, and what to do about them.
 *
 * @module
 */
import {
  advice,
  classifySystemError,
  type ErrorCode,
  isDatataskError,
  RepositoryError,
} from "../../core/errors.ts";

/** An error of the SDK, as far as it is looked at. */
export interface S3Failure {
  readonly name?: string;
  readonly Code?: string;
  readonly code?: string;
  readonly message?: string;
  readonly hostname?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/** One kind of trouble: what it means, and what a person can do. */
interface Trouble {
  readonly code: ErrorCode;
  readonly state: (bucket: string, error: S3Failure) => string;
}

const KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile";

const region: Trouble = {
  code: "invalid-definition",
  state: (bucket, error) => {
    const actual = error.$response?.headers?.["x-amz-bucket-region"] ??
      /expecting ["']([\w-]+)/.exec(error.message ?? "")?.[1];
    return `the bucket "${bucket}" is in another region; give ${
      actual === undefined ? "its region" : `region "${actual}"`
    } to s3Client()`;
  },
};

const expired: Trouble = {
  code: "denied",
  state: () =>
    "the session of these credentials is over, or its token is wrong; log in again, or renew AWS_SESSION_TOKEN",
};

const unknownKey: Trouble = {
  code: "denied",
  state: () =>
    `the store does not know this access key; check ${KEYS}, and that the endpoint is the right one`,
};

/** What answers is no store: a page of a web server, a proxy that wants a login. */
const noStore: Trouble = {
  code: "invalid-definition",
  state: (_bucket, { $metadata, $response }) => {
    const said = [$metadata?.httpStatusCode, $response?.headers?.["content-type"]].filter(Boolean).join(", ");
    return `what answers at the endpoint does not speak as S3 does${
      said === "" ? "" : ` (${said})`
    }; check the endpoint, its port, and the proxies on the way`;
  },
};

const TROUBLES: Readonly<Record<string, Trouble>> = {
  NoSuchBucket: {
    code: "not-found",
    state: (bucket) => `there is no bucket "${bucket}"; create it, or correct its name or the endpoint`,
  },
  InvalidBucketName: {
    code: "invalid-definition",
    state: (bucket) => `"${bucket}" is no valid name of a bucket; use 3 to 63 of a-z 0-9 . -`,
  },
  BucketAlreadyExists: {
    code: "denied",
    state: (bucket) => `the bucket "${bucket}" belongs to somebody else; choose another name`,
  },
  InvalidAccessKeyId: unknownKey,
  XAdminUserNotFound: unknownKey,
  SignatureDoesNotMatch: {
    code: "denied",
    state: () => `the secret key does not fit the access key; check ${KEYS}, for blanks at the ends as well`,
  },
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  InvalidToken: expired,
  TokenRefreshRequired: expired,
  RequestTimeTooSkewed: {
    code: "denied",
    state: () => "the clock of this machine differs too much from that of the store; set it",
  },
  CredentialsProviderError: {
    code: "denied",
    state: () => `no credentials were found; set ${KEYS}, or give credentials to s3Client()`,
  },
  PermanentRedirect: region,
  AuthorizationHeaderMalformed: region,
  IllegalLocationConstraintException: region,
  EntityTooLarge: {
    code: "invalid-value",
    state: () => "the store takes no value of this size; make it smaller, or raise partSize",
  },
  QuotaExceeded: {
    code: "no-space",
    state: () => "the quota of the bucket is used up; delete something, or have it raised",
  },
  PreconditionFailed: {
    code: "conflict",
    state: () => "it was changed meanwhile; read it again and repeat the change",
  },
  UnlikeS3: noStore,
  Outrun: {
    code: "unavailable",
    state: () =>
      "the store keeps another value, which it takes for newer; others write it again and again, or the clocks of its servers differ",
  },
  NotImplemented: { code: "unsupported", state: () => "the store does not know this kind of request" },
};

/** What a person who is denied has to be allowed, by what was being done. */
const RIGHTS: Readonly<Record<string, string>> = {
  "read": "s3:GetObject (and s3:ListBucket, without which S3 answers so for what is absent, too)",
  "look up": "s3:GetObject (and s3:ListBucket, without which S3 answers so for what is absent, too)",
  "list": "s3:ListBucket",
  "write": "s3:PutObject and s3:AbortMultipartUpload",
  "delete": "s3:DeleteObject",
  "prepare": "s3:ListBucket, and s3:CreateBucket when the bucket is to be made",
};

/** Errors of the network that pass. */
const PASSING =
  /^(ECONN(REFUSED|RESET|ABORTED)|ENOTFOUND|EAI_AGAIN|EPIPE|E?TIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|ESOCKETTIMEDOUT|ERR_STREAM_PREMATURE_CLOSE)$/;
const SLOW =
  /^(SlowDown|ServiceUnavailable|InternalError|RequestTimeout|Throttl\w*|TooManyRequests\w*|TimeoutError|BandwidthLimitExceeded)$/;
/** What the SDK says of an answer that it cannot read. */
const UNREADABLE = /XML parse error|Deserialization error/;
const CERTIFICATE =
  /certificate|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|UnknownIssuer|CaUsedAsEndEntity|CERT_/i;

/** The name under which S3 knows an error. */
export function nameOf(error: unknown): string {
  const { Code, name } = (error ?? {}) as S3Failure;
  return Code ?? name ?? "";
}

/** The HTTP status of an error, where it has one. */
export function statusOf(error: unknown): number | undefined {
  return (error as S3Failure | null)?.$metadata?.httpStatusCode;
}

/** What an error is, where a person can do something about it. */
function troubleOf(error: Error): Trouble | undefined {
  const status = statusOf(error) ?? 0;
  // Gates answer with pages of their own for stores that are away, and to whom they do not let pass.
  const foreign = UNREADABLE.test(error.message) && status < 500 && status !== 403;
  return TROUBLES[nameOf(error)] ?? (foreign ? noStore : undefined);
}

/** Whether an error is of a certificate that is not trusted. */
function isCertificate({ code, message }: S3Failure): boolean {
  return CERTIFICATE.test(code ?? "") || /certificate|UnknownIssuer|CaUsedAsEndEntity/.test(message ?? "");
}

/**
 * What an error of S3 means.
 *
 * @param error Anything caught.
 * @returns The code that fits, or nothing.
 */
export function classifyS3(error: unknown): ErrorCode | undefined {
  if (isDatataskError(error)) return error.code;
  if (!(error instanceof Error)) return undefined;
  const failure = error as S3Failure;
  const name = nameOf(error);
  const trouble = troubleOf(error);
  if (trouble) return trouble.code;
  if (isCertificate(failure)) return "denied";
  const status = statusOf(error);
  if (
    SLOW.test(name) || PASSING.test(failure.code ?? "") ||
    (status !== undefined && status >= 500 && status !== 501)
  ) {
    return status === 507 ? "no-space" : "unavailable";
  }
  if (status === 401 || status === 403) return "denied";
  if (status === 404) return "not-found";
  if (status === 412) return "conflict";
  if (status === 501) return "unsupported";
  return classifySystemError(error);
}

/** What was being done when an error arose. */
export interface S3Operation {
  readonly operation: string;
  readonly key?: string | undefined;
  readonly subject: string;
  readonly bucket: string;
}

/**
 * The error as a user should see it.
 *
 * @param error What was thrown.
 * @param doing What was being done.
 * @returns An error that says what to do.
 */
export function explainS3(error: unknown, doing: S3Operation): unknown {
  if (isDatataskError(error) || !(error instanceof Error)) return error;
  const { operation, key, subject, bucket } = doing;
  const code = classifyS3(error);
  // Stores that give no text have this one from the SDK; their code says more.
  const nameless = error.message === "UnknownError" && nameOf(error) !== "";
  if (code === undefined) {
    if (nameless) error.message = `the store answered ${statusOf(error) ?? ""} ${nameOf(error)}`;
    return error;
  }
  const attempts = (error as S3Failure).$metadata?.attempts ?? 1;
  const what = key === undefined ? subject : `"${key}" of ${subject}`;
  const tried = attempts > 1 ? ` (tried ${attempts} times)` : "";
  const state = stateOf(error, code, doing);
  if (nameless) error.message = nameOf(error);
  return new RepositoryError(code, `Cannot ${operation} ${what}: ${state}${tried}`, {
    operation,
    subject,
    ...(key === undefined ? {} : { key }),
    ...(code === "unavailable" ? { retry: "later" as const } : {}),
    cause: error,
  });

  function stateOf(error: Error, code: ErrorCode, { operation }: S3Operation): string {
    const failure = error as S3Failure;
    const trouble = troubleOf(error);
    if (trouble) return trouble.state(bucket, failure);
    if (isCertificate(failure)) {
      return `the certificate of the store is not trusted (${
        failure.message || failure.code
      }); give the certificate of its authority to s3Client() as \`ca\`, or its file in NODE_EXTRA_CA_CERTS`;
    }
    if (failure.code === "ERR_SSL_WRONG_VERSION_NUMBER") {
      return "what answers at the endpoint does not speak TLS; write http:// before it if that is meant";
    }
    if (failure.code === "ENOTFOUND") {
      const host = failure.hostname ?? "of the store";
      return host.startsWith(`${bucket}.`)
        ? `the host ${host} has no address; check the endpoint, or say pathStyle: true to s3Client() when its buckets are no hosts`
        : `the host ${host} has no address; check the endpoint`;
    }
    const status = statusOf(error);
    if (code === "denied" && status !== undefined) {
      return `the store does not allow it; have ${
        RIGHTS[operation] ?? "it"
      } allowed for the bucket "${bucket}"`;
    }
    const said = saying(failure, status);
    return `${said}${advice(code, said)}`;
  }
}

/** What an error says, when its message says anything. */
function saying(failure: S3Failure, status: number | undefined): string {
  const { message = "", code } = failure;
  const text = message === "" || message === "UnknownError" || UNREADABLE.test(message)
    ? ""
    : message.replace(/^@smithy\S* - \[\w+\] /, "");
  const name = nameOf(failure);
  const label = status === undefined
    ? code ?? ""
    : `${status}${/^(|Unknown|Error|SyntaxError)$/.test(name) ? "" : ` ${name}`}`;
  if (text === "") return `the store answered ${label}`;
  return label === "" || text.includes(label) ? text : `${text} (${label})`;
}
