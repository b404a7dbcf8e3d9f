export * from './cache-system.js'
export * from './file-batch-processor.js'
