/**
 * Images in a Docker registry as a repository: keys are tags, values are images. Speaks the protocol of OCI registries over `fetch`.
 *
 * @module
 */
export { artifactDriver, type ArtifactOptions, ArtifactRepository } from "./artifact.ts";
export type { RegistryAddress } from "./address.ts";
export type { Access, AuthOptions } from "./auth.ts";
export { RegistryClient, registryClient, type RegistryOptions, type RegistryRequest } from "./client.ts";
export type { RegistryCredentials } from "./credentials.ts";
export { dockerRegistryDriver, type DockerRegistryOptions, type RegistrySource } from "./driver.ts";
export type { ImageInfo, ImagePlatform } from "./image_info.ts";
export { DockerRegistryRepository } from "./repository.ts";
