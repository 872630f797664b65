"""`environments`: other values for an environment."""

from tests.config.broken.case import PIPELINE, TENANT

CASES = (
    TENANT.case(
        "an environment that there is not",
        wrong="environments: {production: {enabled: false}}",
        right="environments: {prod: {enabled: false}}",
        says="`production`",
        remedy="did you mean `prod`?",
    ),
    TENANT.case(
        "an environment in capitals",
        wrong="environments: {PROD: {enabled: false}}",
        right="environments: {prod: {enabled: false}}",
        says="`PROD`",
        remedy="did you mean `prod`?",
    ),
    TENANT.case(
        "`test`",
        wrong="environments: {test: {enabled: false}}",
        right="environments: {staging: {enabled: false}}",
        says="`test`",
        remedy="dev, staging or prod",
    ),
    TENANT.case(
        "`environment`",
        wrong="environment: {prod: {enabled: false}}",
        right="environments: {prod: {enabled: false}}",
        says="unknown key `environment`",
        remedy="did you mean `environments`?",
    ),
    TENANT.case(
        "environments as a list",
        wrong="environments: [dev, prod]",
        right="environments: {dev: {}, prod: {}}",
        says="`environments`",
        remedy="a mapping",
    ),
    TENANT.case(
        "an environment as a key of its own",
        wrong="prod: {enabled: false}",
        right="environments: {prod: {enabled: false}}",
        says="unknown key `prod`",
        remedy="`environments`",
    ),
    TENANT.case(
        "a typing error in the values of another environment",
        wrong="environments:\n  prod:\n    grop: CD",
        right="environments:\n  prod:\n    group: CD",
        line=3,
        says="in environment prod: unknown key `grop`",
        remedy="did you mean `group`?",
    ),
    TENANT.case(
        "a wrong value in the values of another environment",
        wrong="environments:\n  prod:\n    warehouse: {type: postgressql}",
        right="environments:\n  prod:\n    warehouse: {type: postgres, host: db}",
        line=3,
        says="in environment prod:",
        remedy="did you mean `postgres`?",
    ),
    TENANT.case(
        "the environment's values are a text",
        wrong="environments: {prod: off}",
        right="environments: {prod: {enabled: false}}",
        says="`prod`",
        remedy="a mapping",
    ),
    PIPELINE.case(
        "a typing error in an environment's values of a pipeline",
        wrong="environments: {prod: {save_to_trin: true}}",
        right="environments: {prod: {save_to_trino: true}}",
        says="in environment prod: unknown key `save_to_trin`",
        remedy="did you mean `save_to_trino`?",
    ),
    PIPELINE.case(
        "an environment that a pipeline cannot have",
        wrong="environments: {stage: {save_to_trino: true}}",
        right="environments: {staging: {save_to_trino: true}}",
        says="`stage`",
        remedy="did you mean `staging`?",
    ),
    TENANT.case(
        "environments inside an environment",
        wrong="environments:\n  prod:\n    environments: {dev: {}}",
        right="environments:\n  prod: {}",
        line=3,
        says="environments",
        remedy="leave it out",
    ),
)
