export * from './cache-system.js'
export * from './performance-benchmark.js'
