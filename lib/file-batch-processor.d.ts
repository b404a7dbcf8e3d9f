import { EventEmitter } from 'node:events'

/** How a {@link FileBatchProcessor} works. */
export interface FileBatchProcessorOptions {
  /**
   * At most this many operations run at once. Default 10; the engine may run fewer. `'auto'` starts with two, adds
   * one while that makes the whole faster, and takes a quarter away when single operations get slower for
   * nothing (additive increase, multiplicative decrease).
   */
  maxConcurrency?: number | 'auto'
  /** Operations taken from the queue at a time and grouped by type. Default 50. */
  batchSize?: number
}

/**
 * What can be written: text, or the bytes of any view. Views are copied when the turn of the event loop in
 * which they were added ends; what happens to them later doesn't matter.
 */
export type Content = string | NodeJS.ArrayBufferView

/** Where a file is. A `Buffer` holds a name that need not be valid UTF-8. */
export type Path = string | URL | Uint8Array

/** What every operation takes. */
export interface OperationOptions {
  /**
   * Rejects the operation with the signal's reason: at once if it has not started, else as soon as it may stop
   * without harm. A large file or a tree stops half-way; what was to be replaced atomically stays as it was.
   */
  signal?: AbortSignal
  /** Those with larger integers start first. Default 0. Operations on the same path keep their order. */
  priority?: number
}

export interface ReadOptions extends OperationOptions {
  /** Default `'utf8'`. `'buffer'` for a `Buffer`. What isn't valid UTF-8 becomes U+FFFD. */
  encoding?: BufferEncoding | 'buffer' | null
}

export interface PublishOptions extends OperationOptions {
  /**
   * The file changes from old to new in one step, and a failure leaves the old one whole. Default true. A hard
   * link to the old file keeps the old content. `false` writes over the file where it lies, which is faster
   * for files that exist.
   */
  atomic?: boolean
  /** Resolve only when the content is on the disk. Default false. */
  fsync?: boolean
}

export interface CopyOptions extends PublishOptions {
  /** The copy has the times of its original. Default false. */
  preserveTimestamps?: boolean
}

export interface WriteOptions extends PublishOptions {
  /** How a string becomes bytes. Default `'utf8'`. */
  encoding?: BufferEncoding | null
  /** Permissions of a new file, less the umask. Default `0o666`. */
  mode?: number | string
}

export type AppendOptions = Omit<WriteOptions, 'atomic'>

export interface RemoveOptions extends OperationOptions {
  /** Remove a folder with all that is inside, too. Default false. */
  recursive?: boolean
  /** Don't mind if nothing is there. Default false. */
  force?: boolean
}

export interface MkdirOptions extends OperationOptions {
  /** Permissions of new folders, less the umask. Default `0o777`. */
  mode?: number | string
}

export interface StatOptions extends OperationOptions {
  /** Tell of what a symbolic link leads to, not of the link. Default true. */
  followLinks?: boolean
}

export interface ReaddirOptions extends OperationOptions {
  /** `'buffer'` for names as bytes. Default `'utf8'`. */
  encoding?: 'utf8' | 'buffer' | null
  /** Entries with their types instead of names. Default false. */
  withFileTypes?: boolean
}

export type HashAlgorithm = 'sha1' | 'sha256' | 'sha384' | 'sha512'

export type FileType =
  | 'file'
  | 'directory'
  | 'symbolic link'
  | 'fifo'
  | 'socket'
  | 'character device'
  | 'block device'
  | 'other'

/** As in `fs.Stats`; on Windows `dev`, `ino`, `uid` and `gid` are 0. */
export interface FileStats {
  type: FileType
  /** Bytes. */
  size: number
  mode: number
  dev: number
  ino: number
  nlink: number
  uid: number
  gid: number
  /** Of 512 bytes. */
  blocks: number
  /** Milliseconds since 1970, as the other times. */
  atimeMs: number
  mtimeMs: number
  ctimeMs: number
  birthtimeMs: number
  readonly mtime: Date
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

export interface DirectoryEntry<Name = string> {
  name: Name
  type: FileType
}

export interface FileBatchStats {
  /** Operations that have ended; what `clearQueue` dropped isn't counted. */
  totalOperations: number
  successfulOperations: number
  failedOperations: number
  /** Milliseconds an operation. */
  averageProcessingTime: number
  /** `heapUsed` in bytes when the last batch ended. */
  memoryUsage: number
  /** Operations that have not started. */
  queueLength: number
  /** Whether any promise is still out. */
  isProcessing: boolean
  /** Such as `'66.67%'`; `'0%'` before any operation. */
  successRate: string
  /** Read and written so far, also by operations that have not ended. */
  bytes: number
  /** With `maxConcurrency: 'auto'`: the limit now, and how often it was raised and lowered. */
  concurrency?: { limit: number; raised: number; lowered: number }
}

/** Counts since the processor was made. */
export interface FileBatchProgress {
  /** Operations whose promises have settled, those that failed or were dropped included. */
  completed: number
  failed: number
  /** Operations that were asked for. */
  total: number
  /** Read and written, also by operations that have not ended. */
  bytes: number
}

/**
 * Many file operations at once, on native threads.
 *
 * Operations are taken in batches, those of one type together. Two that touch the same path, or a folder and
 * something in it, keep the order in which they were added; everything else runs side by side. Paths are
 * compared as text, so two names of one file that only a link makes equal are not recognised. A path with `..`
 * behind a name may lead anywhere if the name is a link, and keeps its order with all.
 *
 * While results of 64 MiB wait for the event loop to take them, nothing more is started. On Windows paths may be longer
 * than 260 characters.
 *
 * Failures of the system reject with an `Error` like those of `node:fs/promises`: `code`, `errno`, `syscall`,
 * `path`, `dest`. A FIFO, a socket, or a device that is not empty rejects with
 * `ERR_AIWF_NOT_REGULAR_FILE` or `ENXIO` instead of waiting for its other end, or for ever. Without free file descriptors an operation waits, up to a minute.
 */
export class FileBatchProcessor extends EventEmitter<{ progress: [FileBatchProgress] }> {
  constructor(options?: FileBatchProcessorOptions)
  /** Writable; takes effect on the next operation. */
  maxConcurrency: number | 'auto'
  /** Writable; takes effect on the next batch. */
  batchSize: number
  /** Reads a whole file of up to 2 GiB (`ERR_FS_FILE_TOO_LARGE`). A leading BOM is kept. */
  addReadOperation(
    filePath: Path,
    options: OperationOptions & { encoding: 'buffer' },
  ): Promise<Buffer>
  addReadOperation(
    filePath: Path,
    options?: OperationOptions & { encoding?: BufferEncoding | null },
  ): Promise<string>
  addReadOperation(filePath: Path, options?: ReadOptions): Promise<string | Buffer>
  /**
   * Writes a whole file and makes missing parent folders. A file that exists keeps its permissions (on Linux
   * access lists and extended attributes of users, too); a symbolic link stays and the file it leads to is written.
   */
  addWriteOperation(filePath: Path, content: Content, options?: WriteOptions): Promise<void>
  /**
   * Writes at the end of a file; makes it and its parent folders when missing. A failure takes back what it
   * wrote.
   */
  addAppendOperation(filePath: Path, content: Content, options?: AppendOptions): Promise<void>
  /**
   * Copies a file with its permissions, over whatever file is there, and makes missing parent folders. On Linux holes
   * stay holes, and file systems that can share blocks do. Copying a file onto itself leaves it as it is.
   */
  addCopyOperation(source: Path, destination: Path, options?: CopyOptions): Promise<void>
  /**
   * Copies a folder with all that is inside, and makes missing parent folders. In a folder that exists, files of
   * the same names are replaced and others stay. Symbolic links are copied as they are. A FIFO, socket or device
   * inside rejects; what was copied before a failure stays.
   */
  addCopyDirectoryOperation(source: Path, destination: Path, options?: CopyOptions): Promise<void>
  /**
   * Gives a file or folder another name, over whatever file is there, and makes missing parent folders. To
   * another device it is copied with permissions and times, gets its name when all of it is there and on the
   * disk, and is then removed from the old place.
   */
  addMoveOperation(source: Path, destination: Path, options?: OperationOptions): Promise<void>
  /** Removes a file or a symbolic link; with `recursive` a folder with all that is inside. */
  addRemoveOperation(path: Path, options?: RemoveOptions): Promise<void>
  /** Makes a folder and its missing parents; resolves to the first it had to make. */
  addMkdirOperation(dirPath: Path, options?: MkdirOptions): Promise<string | undefined>
  addStatOperation(path: Path, options?: StatOptions): Promise<FileStats>
  /** The names in a folder, in the order the system has them. */
  addReaddirOperation(
    dirPath: Path,
    options: OperationOptions & { encoding: 'buffer'; withFileTypes: true },
  ): Promise<DirectoryEntry<Buffer>[]>
  addReaddirOperation(
    dirPath: Path,
    options: OperationOptions & { encoding?: 'utf8' | null; withFileTypes: true },
  ): Promise<DirectoryEntry[]>
  addReaddirOperation(
    dirPath: Path,
    options: OperationOptions & { encoding: 'buffer'; withFileTypes?: false },
  ): Promise<Buffer[]>
  addReaddirOperation(
    dirPath: Path,
    options?: OperationOptions & { encoding?: 'utf8' | null; withFileTypes?: false },
  ): Promise<string[]>
  /** The digest of a file's content in lower-case hex, in bounded memory. Default `'sha256'`. */
  addHashOperation(
    filePath: Path,
    algorithm?: HashAlgorithm,
    options?: OperationOptions,
  ): Promise<string>
  getStats(): FileBatchStats
  /** Starts nothing more until {@link resume}; what runs goes on. */
  pause(): void
  resume(): void
  readonly paused: boolean
  /** Rejects what has not started with `Error('Queue cleared')`, `code: 'ERR_AIWF_QUEUE_CLEARED'`. */
  clearQueue(): void
  /** Resolves when nothing is queued or running, and callers have been told of it all. */
  waitForCompletion(): Promise<void>
}

type Failure = { error: string }

/**
 * Many files in one call. The results have the keys of what was asked, in its order. Of more than 2,000 the rest is
 * added while the first ones end, so that the event loop is never held up: await the call before asking for
 * other work on the same files.
 */
// biome-ignore lint/complexity/noStaticOnlyClass: the form of the API
export class FileUtils {
  /** The text of each file. */
  static readMultipleFiles(
    paths: string[],
    processor: { addReadOperation(path: string): Promise<string> },
  ): Promise<Record<string, string | Failure>>
  static writeMultipleFiles(
    contents: Record<string, Content>,
    processor: { addWriteOperation(path: string, content: Content): Promise<unknown> },
  ): Promise<Record<string, { success: true } | Failure>>
  static copyMultipleFiles(
    destinations: Record<string, string>,
    processor: { addCopyOperation(source: string, destination: string): Promise<unknown> },
  ): Promise<Record<string, { success: true; destination: string } | Failure>>
  static createDirectories(
    paths: string[],
    processor: { addMkdirOperation(path: string): Promise<unknown> },
  ): Promise<Record<string, { success: true } | Failure>>
}

/** Lets at most `capacity` holders in at once, first come first served. */
export class Semaphore {
  /** @param capacity a positive integer or `Infinity` */
  constructor(capacity: number)
  capacity: number
  /** Holders now. */
  current: number
  /** Those who wait. */
  queue: { readonly length: number }
  acquire(): Promise<void>
  /** Lets the next one in. Without a holder it does nothing. */
  release(): void
}
