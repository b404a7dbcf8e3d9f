export * from './cache-system.js'
export * from './memory-profiler.js'
