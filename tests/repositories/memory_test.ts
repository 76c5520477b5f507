import { memoryBlobDriver, memoryMetadataDriver } from "../../repositories/memory.ts";
import { memoryFilesystemDriver } from "../../repositories/memory_tree.ts";
import { testBlobDriver } from "../../testing/blob_suite.ts";
import { testFilesystemDriver } from "../../testing/filesystem_suite.ts";
import { testMetadataDriver } from "../../testing/metadata_suite.ts";

testBlobDriver("memoryBlobDriver()", { make: () => memoryBlobDriver() });
testBlobDriver("memoryBlobDriver() copied", { make: () => ({ ...memoryBlobDriver() }) });
testMetadataDriver("memoryMetadataDriver()", { make: () => memoryMetadataDriver() });
testMetadataDriver("memoryMetadataDriver() copied", { make: () => ({ ...memoryMetadataDriver() }) });
testFilesystemDriver("memoryFilesystemDriver()", { make: () => memoryFilesystemDriver() });
testFilesystemDriver("memoryFilesystemDriver() copied", { make: () => ({ ...memoryFilesystemDriver() }) });
