import { EventEmitter } from 'node:events'
import type { GitHubAPICache, OptimizedGitHubClient } from './cache-system.js'
import type { FileBatchProcessor } from './file-batch-processor.js'

/** What a tuner tunes; of a client its cache. */
export type TuningTarget = FileBatchProcessor | GitHubAPICache | OptimizedGitHubClient

/** Of a file processor the first two, of a cache the other two. */
export type TuningSetting = 'maxConcurrency' | 'batchSize' | 'maxEntries' | 'maxMemoryBytes'

/** The values a setting may have, whole numbers above 0, both included. */
export interface TuningRange {
  min?: number
  max?: number
}

/**
 * Defaults: `maxConcurrency` 1 to 64, `batchSize` 1 to 1,000, `maxEntries` 100 to 100,000, `maxMemoryBytes` 1 MiB to
 * 256 MiB, and wider where the present value is beyond.
 */
export type TuningLimits = Partial<Record<TuningSetting, TuningRange>>

export interface AutoTunerOptions {
  /** Milliseconds between two observations of each object, at least 10. Default: 1,000. */
  interval?: number
  /** Settings shrink from this memory pressure on, 0 to 1. Default: 0.85. */
  highPressure?: number
  /** Settings grow only below this one. Default: 0.7. */
  lowPressure?: number
  /** Decisions kept in `log`. Default: 1,000. */
  maxLog?: number
}

/** What was measured since the observation before. */
export interface TuningObservation {
  /**
   * Of files: operations a second, where 64 KiB count as one more. Of a cache: the share of look-ups that hit.
   */
  throughput: number
  /** Milliseconds of an operation; 0 for a cache. */
  latency: number
  /** What `memoryPressure()` returned. */
  memoryPressure: number
  /** Whether more could be used: operations wait, or the memory tier is full. What an idle object does says nothing. */
  saturated: boolean
}

export interface TuningDecision {
  /** Milliseconds since the epoch. */
  timestamp: number
  /** The class of the object. */
  target: string
  setting: TuningSetting
  from: number
  to: number
  /** Why, in words. */
  reason: string
  observation: TuningObservation
}

/** A setting and what it is tuned within. */
export interface TunedSetting {
  name: TuningSetting
  value: number
  min: number
  max: number
  highPressure: number
  lowPressure: number
}

/** Everything a tuner went by, as JSON has it. */
export interface TuningRecording {
  target: string
  /** As they were when the object was attached. */
  settings: TunedSetting[]
  /** The first 10,000; with the settings where somebody else had written one before. */
  observations: (TuningObservation & { timestamp: number; settings?: TunedSetting[] })[]
  /** Whether there were more. */
  truncated: boolean
}

/**
 * Finds good values for the settings of files and caches while they work: it tries a quarter more, keeps that while
 * the throughput gains 5 %, goes back when it does not, and prefers less that does as much; three observations are
 * judged together, by their median. When memory is short it halves the settings at once. It does nothing before `start()`.
 */
export class AutoTuner extends EventEmitter<{ decision: [decision: TuningDecision] }> {
  /** @throws TypeError or RangeError for wrong options. */
  constructor(options?: AutoTunerOptions)
  /** Whether it observes from time to time. */
  readonly running: boolean
  /** The latest decisions, oldest first. */
  readonly log: TuningDecision[]
  /**
   * Tunes an object as well; twice is once, also for the cache of a client. A setting that is `'auto'` or `Infinity` is left alone for as long as it is, and one that
   * somebody else writes is tuned from its new value.
   *
   * @throws TypeError for anything else, RangeError for limits that the present value is not within.
   */
  attach(target: TuningTarget, limits?: TuningLimits): this
  /** Leaves an object as it is; false if it was not attached. */
  detach(target: TuningTarget): boolean
  /** Observes every `interval`; does not keep the process alive. */
  start(): this
  stop(): void
  /** Observes all objects now and applies what is decided, which it returns. */
  observe(): TuningDecision[]
  /**
   * The share of the memory there may be that is used: of the heap's limit, of the control group's or else the
   * machine's, whichever is tightest. Overridable.
   */
  memoryPressure(): number
  /**
   * What an object was tuned by.
   *
   * @throws Error (`ERR_AIWF_NOT_ATTACHED`) if it is not attached.
   */
  recording(target: TuningTarget): TuningRecording
  /**
   * Decides again by a recording: the same decisions, since nothing else goes into them.
   *
   * @throws TypeError or RangeError for what is no recording.
   */
  static replay(recording: TuningRecording): TuningDecision[]
}
