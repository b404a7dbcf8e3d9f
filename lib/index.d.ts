export * from './cache-system.js'
