export * from './cache-system.js'
export * from './file-batch-processor.js'
export * from './memory-profiler.js'
export * from './performance-benchmark.js'
