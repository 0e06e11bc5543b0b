// Secrets under a passphrase, in the format of the `age` tool (scrypt recipient, armored), so that `age -d` opens them without
// sallyport. Asking costs a second and 256 MiB of memory on purpose: that is what each guess costs a thief.

import { Failure } from "#core/failure.ts";

const begin = "-----BEGIN AGE ENCRYPTED FILE-----";

/** A guess costs 2^18 rounds of scrypt, as age's own; what would cost more than 2^20 to open is refused by the reader. */
const workFactor = 18;

export function isSealed(text: string): boolean {
  return text.startsWith(begin);
}

/** An armored age file that only the passphrase opens. */
export async function seal(text: string, passphrase: string): Promise<string> {
  const { armor, Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(workFactor);
  return `${armor.encode(await encrypter.encrypt(text)).trimEnd()}\n`;
}

/** `place`: the file that it is from. @throws Failure passphrase_wrong, home_damaged */
export async function unseal(sealed: string, passphrase: string, place: string): Promise<string> {
  const { armor, Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  try {
    return await decrypter.decrypt(armor.decode(sealed.trim()), "text");
  } catch (cause) {
    // The only words by which the library tells a wrong passphrase from a broken file.
    if (/no identity matched/.test((cause as Error).message)) {
      throw new Failure("passphrase_wrong", "the passphrase does not open the authority's key", {
        place,
        remedy: "Type it again, or name the right file with --passphrase-file; age -d FILE opens it too.",
        cause,
      });
    }
    throw new Failure("home_damaged", `the sealed key cannot be read: ${(cause as Error).message}`, {
      place,
      remedy: "Restore it from a backup.",
      cause,
    });
  }
}
