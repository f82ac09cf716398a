/** What Redis does in one step, in Lua. An entry and its lease share a hash tag, so that a cluster keeps them on one node. */

/**
 * `mark`: what stands under a name, as far as it matters whether it is still the same: '' for nothing, a digest of a text, 'other' for
 * what is no text. Whoever writes says what it has seen; where something else stands by now, somebody was faster.
 */
const MARK = `
local entry = redis.pcall('GET', KEYS[1])
local mark = ''
if type(entry) == 'table' then mark = 'other' elseif entry then mark = redis.sha1hex(entry) end`;

/** KEYS entry, lease; ARGV mark, holder, milliseconds. Gives `changed`, `held`, or what stands in the lease of another. */
export const TAKE = `${MARK}
if mark ~= ARGV[1] then return 'changed' end
if redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then return 'held' end
return redis.call('GET', KEYS[2])`;

/** KEYS lease; ARGV holder, new content, milliseconds. Only a holder may keep its lease or say that it gave up. */
export const KEEP = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`;

/**
 * KEYS entry, lease; ARGV mark, text, milliseconds, holder. The fence: a holder that comes late, paused or overtaken, changes nothing.
 * The lease goes last: a script that has written is not stopped by a full memory any more.
 */
export const WRITE = `${MARK}
local written = 0
if mark == '' or mark == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  written = 1
end
if redis.call('GET', KEYS[2]) == ARGV[4] then redis.call('DEL', KEYS[2]) end
return written`;

/** KEYS entry; ARGV mark. Removes what was seen, and nothing newer. */
export const REMOVE = `${MARK}
if mark ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;
