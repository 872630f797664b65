-- Every industry once; no sector means X.
SELECT industry_code, industry_name, coalesce(sector, 'X') AS sector
FROM src.industry
GROUP BY industry_code, industry_name, sector
