/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': './scripts/strip-types.mjs' },
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  setupFiles: ['./test/helpers/realm.mjs'],
  collectCoverageFrom: ['src/**/*.ts'],
  coverageProvider: 'v8',
  // Two cores: one more worker only adds noise to tests that start processes of their own.
  maxWorkers: 2,
  testTimeout: 30_000,
};
