/** How a {@link FileBatchProcessor} works. */
export interface FileBatchProcessorOptions {
  /** At most this many operations run at once. Default 10; the engine may run fewer. */
  maxConcurrency?: number
  /** Operations taken from the queue at a time and grouped by type. Default 50. */
  batchSize?: number
}

/**
 * What can be written: text, or the bytes of any view. Views are copied when the turn of the event loop in
 * which they were added ends; what happens to them later doesn't matter.
 */
export type Content = string | NodeJS.ArrayBufferView

export interface ReadOptions {
  /** Default `'utf8'`. `'buffer'` for a `Buffer`. What isn't valid UTF-8 becomes U+FFFD. */
  encoding?: BufferEncoding | 'buffer' | null
}

export interface CopyOptions {
  /**
   * The file changes from old to new in one step, and a failure leaves the old one whole. Default true. A hard
   * link to the old file keeps the old content. `false` writes over the file where it lies, which is faster
   * for files that exist.
   */
  atomic?: boolean
  /** Resolve only when the content is on the disk. Default false. */
  fsync?: boolean
}

export interface WriteOptions extends CopyOptions {
  /** How a string becomes bytes. Default `'utf8'`. */
  encoding?: BufferEncoding | null
  /** Permissions of a new file, less the umask. Default `0o666`. */
  mode?: number | string
}

export interface MkdirOptions {
  /** Permissions of new folders, less the umask. Default `0o777`. */
  mode?: number | string
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
}

/**
 * Many file operations at once, on native threads.
 *
 * Operations are taken in batches, those of one type together. Two that touch the same path, or a folder and
 * something in it, keep the order in which they were added; everything else runs side by side. Paths are
 * compared as text, so two names of one file that only a symbolic link makes equal are not recognised.
 *
 * Failures of the system reject with an `Error` like those of `node:fs/promises`: `code`, `errno`, `syscall`,
 * `path`, `dest`. A FIFO or a socket rejects with `ERR_AIWF_NOT_REGULAR_FILE` or `ENXIO` instead of waiting
 * for its other end. Without free file descriptors an operation waits, up to a minute.
 */
export class FileBatchProcessor {
  constructor(options?: FileBatchProcessorOptions)
  /** Writable; takes effect on the next operation. */
  maxConcurrency: number
  /** Writable; takes effect on the next batch. */
  batchSize: number
  /** Reads a whole file of up to 2 GiB (`ERR_FS_FILE_TOO_LARGE`). A leading BOM is kept. */
  addReadOperation(filePath: string | URL, options: { encoding: 'buffer' }): Promise<Buffer>
  addReadOperation(
    filePath: string | URL,
    options?: { encoding?: BufferEncoding | null },
  ): Promise<string>
  addReadOperation(filePath: string | URL, options?: ReadOptions): Promise<string | Buffer>
  /**
   * Writes a whole file and makes missing parent folders. A file that exists keeps its permissions; a symbolic
   * link stays and the file it leads to is written.
   */
  addWriteOperation(filePath: string | URL, content: Content, options?: WriteOptions): Promise<void>
  /**
   * Copies a file with its permissions, over whatever file is there, and makes missing parent folders. Copying
   * a file onto itself leaves it as it is.
   */
  addCopyOperation(
    source: string | URL,
    destination: string | URL,
    options?: CopyOptions,
  ): Promise<void>
  /** Makes a folder and its missing parents; resolves to the first it had to make. */
  addMkdirOperation(dirPath: string | URL, options?: MkdirOptions): Promise<string | undefined>
  getStats(): FileBatchStats
  /** Rejects what has not started with `Error('Queue cleared')`, `code: 'ERR_AIWF_QUEUE_CLEARED'`. */
  clearQueue(): void
  /** Resolves when nothing is queued or running. */
  waitForCompletion(): Promise<void>
}

type Failure = { error: string }

/** Many files in one call. The results have the keys of what was asked, in its order. */
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
