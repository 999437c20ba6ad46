"""Every operation of the API and who may call it: written by hand, compared with the document.

The tests of access ask this table, not the document and not the code: a scope that is changed on a
route by mistake, or a route that is added, must be changed or added here by somebody who means it.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Rule(NamedTuple):
    """What is asked of the caller of an operation.

    Attributes:
        id: Of the operation.
        role: `public` asks for no credential, `user` for any, `admin` for the role.
        scope: What an account key must have; empty when none is named.
        bound: What it is about: an `account`, the `tenant`, or nothing of theirs (empty).
        changes: Whether it changes something.
        yields: Whether it gives a credential, a right to get one, or an approval.
    """

    id: str
    role: str
    scope: str
    bound: str
    changes: bool
    yields: bool


# id, role, scope, bound to, effect (`yields`: a change that gives a credential or an approval)
_TABLE: Final = """
livez                      public  -                 -        reads
readyz                     public  -                 -        reads
healthz                    public  -                 -        reads
metrics                    user    -                 -        reads
listProblems               public  -                 -        reads
getProblem                 public  -                 -        reads
listAuditEntries           admin   -                 tenant   reads
getAuditKey                admin   -                 tenant   reads
getAuditCheckpoint         admin   -                 tenant   reads
proveAuditGrowth           admin   -                 tenant   reads
proveAuditEntry            admin   -                 tenant   reads
login                      public  -                 -        yields
walletChallenge            public  -                 -        changes
walletLogin                public  -                 -        yields
whoami                     user    -                 -        reads
listChains                 admin   -                 tenant   reads
createChain                admin   -                 tenant   changes
getChain                   admin   -                 tenant   reads
replaceChain               admin   -                 tenant   changes
changeChain                admin   -                 tenant   changes
deleteChain                admin   -                 tenant   changes
listProviders              admin   -                 tenant   reads
createProvider             admin   -                 tenant   changes
getProvider                admin   -                 tenant   reads
replaceProvider            admin   -                 tenant   changes
changeProvider             admin   -                 tenant   changes
deleteProvider             admin   -                 tenant   changes
listSettings               admin   -                 tenant   reads
createSetting              admin   -                 tenant   changes
deleteSettingByName        admin   -                 tenant   changes
getSetting                 admin   -                 tenant   reads
replaceSetting             admin   -                 tenant   changes
changeSetting              admin   -                 tenant   changes
deleteSetting              admin   -                 tenant   changes
listFeatureFlags           admin   -                 tenant   reads
createFeatureFlag          admin   -                 tenant   changes
getFeatureFlag             admin   -                 tenant   reads
replaceFeatureFlag         admin   -                 tenant   changes
changeFeatureFlag          admin   -                 tenant   changes
listQuotas                 admin   -                 tenant   reads
createQuota                admin   -                 tenant   changes
deleteQuotaByName          admin   -                 tenant   changes
getQuota                   admin   -                 tenant   reads
replaceQuota               admin   -                 tenant   changes
changeQuota                admin   -                 tenant   changes
deleteQuota                admin   -                 tenant   changes
listAllMethods             admin   -                 tenant   reads
createMethods              admin   -                 tenant   changes
getMethods                 admin   -                 tenant   reads
replaceMethods             admin   -                 tenant   changes
changeMethods              admin   -                 tenant   changes
listAccounts               user    accounts:read     tenant   reads
createAccount              user    accounts:write    tenant   changes
getAccount                 user    accounts:read     account  reads
changeAccount              user    accounts:write    account  changes
deleteAccount              user    accounts:write    account  changes
listWorkspaceWallets       user    wallets:read      account  reads
createWorkspaceWallet      user    wallets:write     account  yields
getWorkspaceWallet         user    wallets:read      account  reads
deleteWorkspaceWallet      user    wallets:write     account  changes
listApiKeys                user    api-keys:read     account  reads
createApiKey               user    api-keys:write    account  yields
rotateApiKey               user    api-keys:write    account  yields
revokeApiKey               user    api-keys:write    account  changes
listSecrets                user    secrets:read      account  reads
createSecret               user    secrets:write     account  changes
deleteSecretByName         user    secrets:write     account  changes
getSecret                  user    secrets:read      account  reads
changeSecret               user    secrets:write     account  changes
deleteSecret               user    secrets:write     account  changes
listSecretVersions         user    secrets:read      account  reads
rollBackSecret             user    secrets:write     account  changes
getKeyRotation             admin   -                 tenant   reads
rotateKeys                 admin   -                 tenant   changes
drawRandom                 user    random:write      account  changes
listRandomRequests         user    random:read       account  reads
proveRandomRequest         user    random:read       account  reads
listRandomKeys             public  -                 -        reads
listPriceFeeds             user    pricefeeds:read   account  reads
createPriceFeed            user    pricefeeds:write  account  changes
getPriceFeed               user    pricefeeds:read   account  reads
changePriceFeed            user    pricefeeds:write  account  changes
deletePriceFeed            user    pricefeeds:write  account  changes
getLatestPrice             user    pricefeeds:read   account  reads
listPriceSnapshots         user    pricefeeds:read   account  reads
submitPrice                user    pricefeeds:write  account  changes
listPriceRounds            user    pricefeeds:read   account  reads
listPriceObservations      user    pricefeeds:read   account  reads
listOracleSources          user    oracle:read       account  reads
createOracleSource         user    oracle:write      account  changes
getOracleSource            user    oracle:read       account  reads
changeOracleSource         user    oracle:write      account  changes
deleteOracleSource         user    oracle:write      account  changes
listOracleRequests         user    oracle:read       account  reads
createOracleRequest        user    oracle:write      account  changes
getOracleRequest           user    oracle:read       account  reads
changeOracleRequest        user    oracle:write      account  changes
listOracleDeadLetters      user    oracle:read       account  reads
redriveOracleDeadLetters   user    oracle:write      account  changes
redriveOracleDeadLetter    user    oracle:write      account  changes
deleteOracleDeadLetter     user    oracle:write      account  changes
listGasAccounts            user    gasbank:read      account  reads
ensureGasAccount           user    gasbank:limits    account  changes
getGasSummary              user    gasbank:read      account  reads
depositGas                 user    gasbank:deposit   account  changes
withdrawGas                user    gasbank:withdraw  account  changes
listGasTransactions        user    gasbank:read      account  reads
listGasDeposits            user    gasbank:read      account  reads
listGasWithdrawals         user    gasbank:read      account  reads
checkGasLedger             admin   -                 tenant   reads
getGasWithdrawal           user    gasbank:read      account  reads
changeGasWithdrawal        user    gasbank:withdraw  account  changes
listGasSettlementAttempts  user    gasbank:read      account  reads
listGasApprovals           user    gasbank:read      account  reads
decideGasWithdrawal        user    gasbank:approve   account  yields
listGasDeadLetters         user    gasbank:read      account  reads
retryGasDeadLetter         user    gasbank:withdraw  account  changes
deleteGasDeadLetter        user    gasbank:approve   account  changes
listDataFeeds              user    datafeeds:read    account  reads
createDataFeed             user    datafeeds:write   account  changes
getDataFeed                user    datafeeds:read    account  reads
replaceDataFeed            user    datafeeds:write   account  changes
deleteDataFeed             user    datafeeds:write   account  changes
listDataFeedUpdates        user    datafeeds:read    account  reads
submitDataFeedUpdate       user    datafeeds:write   account  changes
getLatestRound             user    datafeeds:read    account  reads
listDataFeedRounds         user    datafeeds:read    account  reads
getDataFeedRound           user    datafeeds:read    account  reads
getRoundSigningKey         public  -                 -        reads
getVersion                 public  -                 -        reads
getStatus                  user    -                 -        reads
listDescriptors            user    -                 -        reads
showDescriptors            user    -                 -        reads
"""

KEYS_NEVER: Final = {
    "createAccount": "a key is for one account",
    "deleteAccount": "a key does not outlive its account",
    "createWorkspaceWallet": "the wallet could log in",
    "listApiKeys": "keys are not a key's business",
    "createApiKey": "a key makes no other",
    "rotateApiKey": "a key makes no other",
    "revokeApiKey": "keys are not a key's business",
}
"""What no account key may do, whatever its scopes."""


def _read(line: str) -> Rule:
    name, role, scope, bound, effect = (word if word != "-" else "" for word in line.split())
    if role not in {"public", "user", "admin"} or bound not in {"account", "tenant", ""}:
        raise ValueError(line)
    return Rule(name, role, scope, bound, effect != "reads", effect == "yields")


RULES: Final = {rule.id: rule for rule in map(_read, _TABLE.strip().splitlines())}
